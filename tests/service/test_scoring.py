"""`tsad serve` as its users meet it: scores, alarms and events are those of the detector, from JSON and from CSV."""

import json
from pathlib import Path

import numpy as np
import pytest
import requests

from tsad_edge import Detector, __version__, _core

from .conftest import Server, Start, normal


def faulty() -> np.ndarray:
    samples = normal(1000)
    samples[500:520, 1] += 20
    samples[999, 0] += 200
    samples[700, 0] = np.nan
    return samples


def with_gaps(array: np.ndarray) -> list:
    return json.loads(json.dumps(array.astype(float).tolist()).replace("NaN", "null"))


def test_scores_are_the_detectors(server: Server, project: Path) -> None:
    samples, t = faulty(), 5 + 10 * np.arange(1000)
    scores, alarms, events, quality = Detector.load(project / "build/native/libm_tiny.so").run(samples, t)
    answer = server.score(with_gaps(samples), t=t.tolist())
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    found = answer.json()
    assert found["entity"] == "tiny" and found["threshold"] == 10
    assert found["scores"] == with_gaps(scores) and found["alarms"] == alarms.tolist()
    assert found["quality"] == quality.tolist() == np.isnan(samples).any(axis=1).astype(int).tolist()
    assert len(events) >= 2 and events["end"][-1] == t[-1], "the last event was open at the end"
    told = [list(event.values()) for event in found["events"]]
    assert told == [[*event[:-1], "ab"[event[-1]]] for event in events.tolist()]
    assert {event["top"] for event in found["events"]} == {"a", "b"}


def test_every_request_is_a_series_of_its_own(server: Server) -> None:
    first, second = (server.score(normal(300)).json() for _ in range(2))
    assert first == second and first["scores"][:2] == [None, None] and None not in first["scores"][2:]
    assert server.score(normal(1)).json()["scores"] == [None]


def test_csv_says_the_same(server: Server) -> None:
    samples = faulty()
    wanted = server.score(with_gaps(samples)).json()
    rows = [["" if np.isnan(value) else repr(float(value)) for value in row] for row in samples]
    by_name = "\ufeffnote,B,b,a\r\n" + "".join(f"x y,9,{b},{a}\r\n" for a, b in rows)
    by_position = "".join(f"{a},{b}\n" for a, b in rows)
    assert server.csv(by_name).json() == server.csv(by_position).json() == wanted


@pytest.mark.parametrize("column", ["t", "Timestamp"])
def test_csv_knows_the_time(server: Server, column: str) -> None:
    iso = [f"2024-05-01T12:00:{second:02}.500+02:00" for second in range(10)]
    epoch = 1714557600500
    samples = np.full((10, 2), [1, -1])
    samples[5:] = 99
    for times in (iso, [epoch + 1000 * i for i in range(10)]):
        text = f"{column},a,b\n" + "".join(f"{t},{a},{b}\n" for t, (a, b) in zip(times, samples, strict=True))
        (event,) = server.csv(text).json()["events"]
        assert (event["start"], event["end"]) == (epoch + 5000, epoch + 9000)


def test_infinite_scores_are_numbers(server: Server) -> None:
    found = server.score([[3e38, 3e38]] * 5).json()
    assert found["scores"][2:] == [float(np.finfo(np.float32).max)] * 3 and found["alarms"][2:] == [True] * 3
    assert found["events"][0]["peak"] == found["scores"][-1]
    assert server.score([[1e39, 0]] * 5).json()["scores"] == [None] * 5, "beyond float32 is as good as missing"


def test_what_is_there(server: Server) -> None:
    assert server.get("/healthz").json() == {"status": "ok"} and server.get("/readyz").json() == {"status": "ready"}
    assert server.get("/version").json() == {"version": __version__, "model_abi": _core.abi}
    entities = server.get("/entities").json()
    assert set(entities) == {"tiny", "slow"}
    assert entities["tiny"] == {
        "channels": ["a", "b"],
        "window": 3,
        "threshold": 10.0,
        "model": "0" * 64,
        "isa": _core.reference().isa,  # what this machine runs
    }
    described = server.get("/openapi.json").json()
    (entity,) = described["paths"]["/score"]["post"]["parameters"]
    assert entity["schema"]["enum"] == ["slow", "tiny"]
    assert set(described["paths"]["/score"]["post"]["requestBody"]["content"]) == {"application/json", "text/csv"}
    assert "/openapi.json" in server.get("/docs").text


def test_requests_are_counted_and_logged(start: Start) -> None:
    with start() as server:
        for _ in range(3):
            server.score(faulty()[:700])
        server.score([[1]])
        server.get("/healthz")
        for path in ("/a", "/b", "/c\n"):
            server.get(path)
        seen = server.metrics()
        logged = [line for line in server.lines() if line["message"] == "request"]
    assert seen['tsad_requests_total{path="/score",status="200"}'] == 3
    assert seen['tsad_requests_total{path="/score",status="422"}'] == 1
    assert seen['tsad_requests_total{path="/healthz",status="200"}'] == 1
    assert seen['tsad_requests_total{path="other",status="404"}'] == 3
    assert seen['tsad_request_seconds_count{path="/score"}'] == 4
    assert seen['tsad_samples_total{entity="tiny"}'] == 2100 and seen['tsad_samples_total{entity="slow"}'] == 0
    assert seen['tsad_scored_samples_total{entity="tiny"}'] == 3 * 698
    assert seen['tsad_alarms_total{entity="tiny"}'] >= 60 and seen['tsad_events_total{entity="tiny"}'] >= 3
    assert len(logged) == 7, "health is asked too often to be logged"
    assert {"time", "level", "method", "path", "status", "milliseconds"} <= set(logged[0])
    assert (logged[0]["entity"], logged[0]["samples"], logged[0]["status"]) == ("tiny", 700, 200)


def test_one_entity_needs_no_name(start: Start, one: Path) -> None:
    """What `tsad convert --out` wrote is served as it is."""
    with start(folder=one) as server:
        body = {"samples": normal(50).tolist()}
        found = requests.post(f"{server.url}/score", json=body, timeout=60)
        assert found.status_code == 200 and found.json()["entity"] == "tiny"
