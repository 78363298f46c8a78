"""MLEM takes model.mlem as its own: apply, serve, and a deployment up to the cluster; container: test_container.py."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tsad_edge import Detector

ROOT = Path(__file__).parents[2]
Git = Callable[..., str]
Serving = Callable[..., AbstractContextManager[None]]
slow = pytest.mark.slow  # wants the environment of build/mlem


def test_convert_says_what_dvc_has(plant: Path) -> None:
    """Without MLEM: the hashes in model.mlem are those of the libraries that DVC keeps."""
    told = yaml.safe_load((plant / "model.mlem").read_text())
    directory = next(
        out["md5"]
        for out in yaml.safe_load((plant / "dvc.lock").read_text())["stages"]["convert"]["outs"]
        if out["path"] == "build/native"
    )
    kept = json.loads((plant / f".dvc/cache/files/md5/{directory[:2]}/{directory[2:]}").read_text())
    hashes = {f"build/native/{each['relpath']}": each["md5"] for each in kept}
    assert {artifact["type"] for artifact in told["artifacts"].values()} == {"dvc"}
    assert {entity: hashes[artifact["uri"]] for entity, artifact in told["artifacts"].items()} == {
        entity: artifact["hash"] for entity, artifact in told["artifacts"].items()
    }
    assert set(told["artifacts"]) == {"pump-1", "pump-2"}


@slow
def test_what_convert_writes_is_what_mlem_would_save(plant: Path, mlem_python: Path, shell: Git) -> None:
    code = """
from pathlib import Path
import mlem.api
from tsad_edge.mlem_native import Detectors
found = {f"pump-{n}": Path(f"build/native/libm_pump_{n}.so") for n in (1, 2)}
mlem.api.save(Detectors(found), "saved")
"""
    shell(plant, mlem_python, "-c", code)
    ours, theirs = (yaml.safe_load((plant / f"{name}.mlem").read_text()) for name in ("model", "saved"))
    for artifact in theirs["artifacts"].values():
        artifact["uri"] = artifact["uri"].replace("saved/", "build/native/")
    assert ours == theirs


@slow
def test_apply_scores_as_the_detector_does(plant: Path, mlem_python: Path, mlem: Git, shell: Git) -> None:
    code = """
import numpy, mlem.api  # MLEM looks at what is imported already
rows = numpy.loadtxt("build/check/pump-2.csv", delimiter=",", skiprows=1, dtype="f4")[:, 1:]
mlem.api.save({"entity": "pump-2", "samples": rows}, "series")
"""
    shell(plant, mlem_python, "-c", code)
    answer = json.loads(mlem(plant, "apply model.mlem series --json"))
    values = np.loadtxt(plant / "build/check/pump-2.csv", delimiter=",", skiprows=1, dtype="f4")[:, 1:]
    scores, alarms, events, _ = Detector.load(plant / "build/native/libm_pump_2.so").run(values)
    scored = np.flatnonzero(~np.isnan(scores))
    assert answer["t"] == scored.tolist() and answer["alarm"] == alarms[scored].tolist() and len(events) > 3
    assert np.array(answer["score"], "f4").tobytes() == scores[scored].tobytes()
    assert [each["start"] for each in answer["events"]] == events["start"].tolist()


@slow
def test_serve_answers_and_describes_itself(plant: Path, mlem_python: Path, port: int, serving: Serving) -> None:
    url = f"http://127.0.0.1:{port}"

    def ask(path: str, tree: Any = None) -> tuple[int, Any]:
        data = None if tree is None else json.dumps(tree).encode()
        request = urllib.request.Request(f"{url}/{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    command = [mlem_python.with_name("mlem"), "serve", "fastapi", "-m", "model.mlem", "--port", str(port)]
    with serving([*command, "--host", "127.0.0.1"], f"{url}/docs", cwd=plant):
        values = np.loadtxt(plant / "build/check/pump-1.csv", delimiter=",", skiprows=1, dtype="f4")[:120, 1:]
        samples = values.tolist()
        samples[70][0] = None
        status, answer = ask("predict", {"data": {"entity": "pump-1", "samples": samples}})
        values[70, 0] = np.nan
        scores = Detector.load(plant / "build/native/libm_pump_1.so").score(values)
        assert status == 200 and json.loads(answer)["t"] == np.flatnonzero(~np.isnan(scores)).tolist()
        assert np.array(json.loads(answer)["score"], "f4").tobytes() == scores[~np.isnan(scores)].tobytes()
        status, answer = ask("predict", {"data": {"entity": "pump-9", "samples": samples}})
        assert status == 400 and "this model has pump-1, pump-2" in answer
        status, answer = ask("predict", {"data": {"entity": "pump-1", "samples": [[1.0]]}})
        assert status == 400 and "m_pump_1 wants" in answer
        assert ask("predict", {"data": {"entity": "pump-1"}})[0] == 400
        assert ask("docs")[0] == 200
        assert '"predict"' in ask("interface.json")[1]


@slow
def test_a_deployment_runs_up_to_the_cluster(plant: Path, mlem_python: Path, cluster: Any, shell: Git) -> None:
    """All of `mlem deployment run` but building the image, for which there is no Docker daemon."""
    code = """
from unittest import mock
import mlem.api
from mlem.contrib.docker.base import DockerImage

def built(meta, image_name, registry, **_):
    return DockerImage(name=image_name, tag=meta.meta_hash(), registry=registry)

with mock.patch("mlem.contrib.kubernetes.base.build_k8s_docker", built):
    mlem.api.deploy("service_tsad.mlem", "model.mlem")
"""
    shell(plant, "env", f"KUBECONFIG={cluster.kubeconfig}", mlem_python, "-c", code)
    sent = [each["body"] for each in cluster.sent()]
    assert [each["kind"] for each in sent] == ["Namespace", "Deployment", "Service"]
    (container,) = sent[1]["spec"]["template"]["spec"]["containers"]
    declared = yaml.safe_load((ROOT / "service_tsad.mlem").read_text())
    assert (
        container["image"].startswith(f"{declared['registry']['host']}/tsad:")
        and sent[2]["spec"]["type"] == "LoadBalancer"
    )
    import kubernetes_validate

    for each in sent:
        kubernetes_validate.validate(each, "1.32", strict=True)
    state = yaml.safe_load((plant / "build/deployments/.mlem.state/service_tsad").read_text())
    assert state["deployment_name"] == "tsad"
