"""What the Dockerfiles do, done here: their commands run in a folder that stands for the image, in empty environments.

There is no Docker daemon in tests; that Docker does the same with the same lines is taken for granted.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
import venv
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge import Detector, deploy

ROOT = Path(__file__).parents[2]
Serving = Callable[..., AbstractContextManager[None]]
pytestmark = pytest.mark.slow  # each installs a wheel and what it needs from scratch


class Image:
    """A Dockerfile done in a folder: RUN and COPY as they stand, but for where the image's root is.

    Python is what the base image brings; Debian's packages are those of this machine.
    """

    def __init__(self, dockerfile: str, context: Path, root: Path) -> None:
        self.root, self._place = root, root / "app"
        self._place.mkdir(parents=True)
        venv.create(root / "base", with_pip=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        path = f"{root}/base/bin:/usr/bin:/bin"
        self.environment = kept | {"PATH": path, "PIP_CACHE_DIR": str(root / "cache")}  # which MLEM's lines purge
        self.command: list[str] = []
        for line in dockerfile.replace("\\\n", "").splitlines():
            word, _, rest = line.partition(" ")
            if word == "COPY" and not rest.startswith("--from"):  # the stages share one folder
                self._copy(context, *rest.split())
            elif word == "RUN" and "apt-get" not in rest:
                self._run(rest)
            elif word == "ENV":
                for name, value in (each.split("=", 1) for each in shlex.split(rest)):
                    self.environment[name] = self._paths(value).replace("$PATH", self.environment["PATH"])
            elif word in ("ENTRYPOINT", "CMD"):
                self.command = json.loads(rest) if rest.startswith("[") else ["sh", "-c", rest]

    def _paths(self, text: str) -> str:
        """The same text with the image's folders where they are here."""
        return re.sub(r"(?<![\w.$/])/(opt|tmp|model|app)\b", rf"{self.root}/\1", text)

    def _copy(self, context: Path, source: str, target: str) -> None:
        place = self._place / self._paths(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        if (context / source).is_dir():
            shutil.copytree(context / source, place, dirs_exist_ok=True)
        else:
            shutil.copy(context / source, place)

    def _run(self, line: str) -> None:
        done = subprocess.run(
            ["sh", "-c", self._paths(line)], cwd=self._place, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def start(self, *more: str) -> tuple[list[str], dict[str, Any]]:
        """Its command and how `subprocess.Popen` starts it."""
        name, *words = [*map(self._paths, self.command), *more]
        program = shutil.which(name, path=self.environment["PATH"])
        assert program is not None
        return [program, *words], {"cwd": self._place, "env": self.environment}

    def packages(self, python: str) -> set[str]:
        """What pip lists in one of its environments."""
        listed = subprocess.run(
            [self.root / python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True
        )
        return {each["name"] for each in json.loads(listed.stdout)}


def post(url: str, tree: Any) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(tree).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def written(root: Path) -> set[tuple[str, int, int]]:
    """Every file below, with its size and when it was written."""
    return {(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def series(plant: Path) -> Any:
    return np.loadtxt(plant / "build/check/pump-1.csv", delimiter=",", skiprows=1, dtype="f4")[:400, 1:]


def test_the_image_serves_and_writes_nothing(
    plant: Path, wheel: Path, tmp_path: Path, port: int, serving: Serving
) -> None:
    context = tmp_path / "context"
    (context / "wheels").mkdir(parents=True)
    shutil.copy(wheel, context / "wheels")
    shutil.copy(ROOT / "constraints.txt", context)
    for folder in ("csrc", "build/native"):  # of what `tsad registry pull` brings
        shutil.copytree(plant / folder, context / "model" / folder)
    image = Image(Path(deploy.__file__).with_name("Dockerfile").read_text(), context, tmp_path / "image")
    installed = image.packages("opt/tsad/bin/python")
    assert {"tsad-edge", "numpy", "uvicorn"} <= installed and not {"torch", "pandas", "dvc"} & installed
    before, (command, how) = written(image.root), image.start("--port", str(port))
    with serving(command, f"http://127.0.0.1:{port}/readyz", **how):
        status, answer = post(f"http://127.0.0.1:{port}/score?entity=pump-1", {"samples": series(plant).tolist()})
    assert status == 200 and written(image.root) == before, "its root may be read-only"
    wanted = Detector.load(plant / "build/native/libm_pump_1.so").score(series(plant))
    assert np.array_equal(np.array(answer["scores"], "f4"), wanted, equal_nan=True) and np.isfinite(wanted).sum() > 300


def test_what_mlem_builds_serves(
    plant: Path, wheel: Path, tmp_path: Path, port: int, serving: Serving, mlem: Callable[..., str]
) -> None:
    templates = Path(deploy.__file__).with_name("mlem")
    mlem(
        plant,
        f"build docker_dir -m model.mlem --server fastapi --server.port {port} --target build/docker "
        f"--args.templates_dir.0 {templates}",
    )
    shutil.copytree(wheel.parent, plant / "build/docker/wheels")
    dockerfile = (plant / "build/docker/Dockerfile").read_text()
    image = Image(dockerfile, plant / "build/docker", tmp_path / "image")
    assert {"tsad-edge", "mlem"} <= image.packages("base/bin/python")
    assert not {"torch", "dvc"} & image.packages("base/bin/python")
    command, how = image.start()
    with serving(command, f"http://127.0.0.1:{port}/docs", **how):
        status, answer = post(
            f"http://127.0.0.1:{port}/predict", {"data": {"entity": "pump-1", "samples": series(plant).tolist()}}
        )
    wanted = Detector.load(plant / "build/native/libm_pump_1.so").score(series(plant))
    assert status == 200 and np.array_equal(np.array(answer["score"], "f4"), wanted[~np.isnan(wanted)])
