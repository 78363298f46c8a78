"""report.html in a real browser, opened from disk: no complaint, nothing fetched, every plot drawn, nothing too wide.

Chromium is driven over its DevTools protocol. What the pages say is tested in test_report_pages.
"""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websocket

from tsad_edge import params, stages
from tsad_edge.report.assemble import pages
from tsad_edge.report.seen import Seen
from tsad_edge.twin import decide

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds after which an answer that does not come fails the test."""
SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}

DRAWN = """new Promise((done) => {
  document.querySelectorAll("details").forEach((section) => { section.open = true; });
  const plots = [...document.querySelectorAll(".plot")], end = performance.now() + 60000;
  const traces = (plot) => [...plot.querySelectorAll(".scatterlayer .trace, .barlayer .trace")];
  const fits = (plot) => plot.querySelector(".main-svg").getBoundingClientRect().width <= plot.clientWidth + 1;
  const drawn = (plot) => plot.data && traces(plot).length === plot.data.length && fits(plot)
    && traces(plot).some((trace) => { const box = trace.getBBox(); return box.width + box.height > 0; });
  const over = () => plots.every((plot) => plot.matches(".drawn")) || performance.now() > end;
  const look = () => over() ? done(plots.filter(drawn).length) : requestAnimationFrame(look);
  look();
})"""
"""Opens all sections; how many plots show all their traces, once plotly is done or a minute is over."""


class Tab:
    """A page, and all it said: `complaints` (errors and warnings) and `fetched` (addresses)."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
        self._number, self._session, self._heard = 0, "", ""
        self.complaints: list[str] = []
        self.fetched: list[str] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log", "Network"):
            self(f"{room}.enable")

    def __call__(self, method: str, **parameters: Any) -> Any:
        """Ask, and hear events until the answer comes."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(asked | ({"sessionId": self._session} if self._session else {})))
        while (said := self._hear()).get("id") != self._number:
            pass
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    def open(self, page: Path, screen: str) -> None:
        """Open a file from disk and wait until it is loaded."""
        width, height = SCREENS[screen]
        phone, self.complaints, self.fetched = screen == "phone", [], []
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self("Emulation.setTouchEmulationEnabled", enabled=phone)
        self._heard = ""
        self("Page.navigate", url=page.resolve().as_uri())
        while "Page.loadEventFired" not in self._heard:
            self._hear()

    def run(self, script: str) -> Any:
        """The value of a piece of JavaScript; a promise is waited for."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """A screenshot of the whole page."""
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self) -> None:
        """Let go of the browser."""
        self._socket.close()

    def _hear(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self._socket.recv())
        told = said.get("params", {})
        match said.get("method"):
            case "Page.loadEventFired" as event:
                self._heard += event
            case "Runtime.exceptionThrown":
                details = told["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled" if told["type"] in {"error", "warning", "assert"}:
                self.complaints.append(" ".join(str(each.get("value", "")) for each in told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(told["entry"]["text"])
            case "Network.requestWillBeSent":
                self.fetched.append(told["request"]["url"])
        return said


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A tab of a headless Chromium, which ends with the module's tests."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        lacking = "no chromium: report.html was NOT looked at in a browser (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "about:blank"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stderr or ())
        listening = next((line for line in lines if "DevTools listening on " in line), None)
        assert listening, "chromium ended before it listened"
        opened = Tab(listening.split("listening on ")[1].strip())
        yield opened
        opened.close()
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def faults(tab: Tab, page: Path, screen: str, plots: int) -> list[str]:
    """All that is wrong with a page."""
    tab.open(page, screen)
    drawn, written = tab.run(DRAWN), tab.run("document.querySelectorAll('.plot').length")
    width = tab.run("document.documentElement.scrollWidth")
    if shots := os.environ.get("TSAD_SCREENSHOTS"):
        tab.picture(Path(shots) / f"{page.stem}-{screen}.png")
    found = [f"complaint: {each}" for each in tab.complaints]
    found += [f"fetched: {each}" for each in tab.fetched if each != page.resolve().as_uri()]
    if (drawn, written) != (plots, plots):
        found.append(f"plots: {drawn} of {written} are drawn, {plots} are expected")
    if width > SCREENS[screen][0]:
        found.append(f"overflow: {width} pixels wide on a {screen}")
    return found


@pytest.fixture(scope="module")
def written(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of the small run."""
    place = tmp_path_factory.mktemp("report") / "run"
    shutil.copytree(finished, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        text = stages.report(params.load())
    assert text.splitlines()[-1] == "Also written, with pictures: build/report/report.md and build/report/report.html"
    return place / "build/report/report.html"


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_opens_from_disk(tab: Tab, written: Path, screen: str) -> None:
    """Model and floors; of the one pump: timeline, precision and recall, scores, training, channels, score error."""
    assert faults(tab, written, screen, plots=1 + 6) == []


def test_a_finding_is_shown_where_it_is(tab: Tab, written: Path) -> None:
    tab.open(written, "desktop")
    tab.run("document.querySelectorAll('details').forEach((section) => { section.open = false; })")
    asked = tab.run(
        "(() => { const button = document.querySelector('button[data-section]'); button.click();"
        " return [Number(button.dataset.from), Number(button.dataset.to)]; })()"
    )
    assert tab.run("document.querySelector('.timeline').layout.xaxis.range") == asked
    assert tab.run("document.querySelector('.timeline').getBoundingClientRect().top") >= 0
    assert tab.complaints == []


def test_no_button_sends_the_plot_away(tab: Tab, written: Path) -> None:
    """plotly.js has a button that would upload a plot, and this page's policy would stop that, too."""
    tab.open(written, "desktop")
    tab.run(DRAWN)
    buttons = set(tab.run("[...document.querySelectorAll('.modebar-btn')].map((button) => button.dataset.title)"))
    assert buttons == {"Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes", "Download plot as a PNG"}
    assert "form-action 'none'" in written.read_text()


def test_names_from_files_do_no_harm(tab: Tab, tmp_path: Path) -> None:
    """A series nobody labelled, with dates for times, whose names are written to break the page."""
    evil = "a</script><img src=x onerror=document.title='harmed'>_|b"
    when = 1_700_000_000_000 + 1000 * np.arange(500, dtype=np.int64)
    scores = np.random.default_rng(1).gamma(2.0, size=500)
    scores[:9], scores[300] = np.nan, np.inf
    event = np.array(
        [(1, when[300], when[300], np.inf, when[300], 0)],
        dtype=[("id", "i8"), ("start", "i8"), ("end", "i8"), ("peak", "f4"), ("peak_t", "i8"), ("top", "i4")],
    )
    errors = {"t": when, "reference": scores, "error": np.full(500, 1e-6), "tolerance": np.full(500, 1e-5)}
    decided = decide(when, scores, 9.0)
    told, limits = {**errors, "events": event}, np.full(500, 9.0, np.float32)
    one = Seen(evil, when, "date", scores, 9.0, limits, decided, 10, None, None, [evil, "b"], [], told)
    metrics, check, cost = (json.loads((ROOT / f"{name}.json").read_text()) for name in ("metrics", "check", "cost"))
    counts = {"samples": 491, "unscored": 9, "alarms": 1, "alarm_events": 1}
    metrics |= {
        "model": None,
        "verdict": None,
        "rival": None,
        "floors": {},
        "per_entity": {},
        "unlabelled": {evil: counts},
    }
    cost["per_entity"] = {evil: cost["per_entity"]["pump-1"]}
    takes = {"flash_bytes": 17100, "code_bytes": 8528, "static_bytes": 1928, "stack_worst_bytes": 576, "cycles": 19907}
    cost["boards"] = {evil: {"core": "any", "counted_on": "b", "per_entity": {evil: {**takes, "instructions": 12878}}}}
    markdown, html = pages(metrics, check, cost, [one], {evil: evil}, 1, "text", None)
    (tmp_path / "evil.html").write_text(html)
    assert faults(tab, tmp_path / "evil.html", "phone", plots=4) == []  # no precision and recall, no training
    assert tab.run("document.title").startswith("No labels")
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert "</script>" not in markdown and "<img" not in markdown


def test_each_gate_bites(tab: Tab, written: Path, tmp_path: Path) -> None:
    """A page broken in four ways: a script error, something fetched, a plot whose data are gone, a wide element."""
    page = written.read_text()
    harm = (
        '<script>nobody_wrote_this()</script><img src="http://127.0.0.1:9/x.png"><div style="width: 2000px">wide</div>'
    )
    page = re.sub(r'(id="figure-3">)[^<]*', r'\1{"data": [], "layout": {}}', page, count=1)
    (tmp_path / "broken.html").write_text(page.replace("</body>", f"{harm}</body>"))
    found = "\n".join(faults(tab, tmp_path / "broken.html", "phone", plots=7))
    for words in ("nobody_wrote_this is not defined", "Content Security Policy", "6 of 7 are drawn", "overflow: 20"):
        assert words in found, found
