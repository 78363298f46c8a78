"""A detector's snapshot: all that it knows, nothing of where it lies, and no image leads a step out of its memory."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import _core

from .conftest import rows


def series(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, 2) and times (n,) of the lines that the processes are fed with."""
    fields = [line.strip().split(",") for line in rows(n)]
    samples = [[float(a or "nan"), float(b)] for _, b, a in fields]
    return np.array(samples, np.float32), np.array([int(t) for t, _, _ in fields], np.int64)


def run(detector: _core.Detector, samples: np.ndarray, t: np.ndarray) -> tuple[bytes, ...]:
    return tuple(each.tobytes() for each in detector.run(samples, t, False))


@pytest.fixture(scope="module")
def model(models: Path) -> _core.Model:
    return _core.Model(str(models / "rich" / "libm_rich.so"))


def test_going_on_from_a_snapshot_gives_the_same_bits(model: _core.Model) -> None:
    samples, t = series(3000)
    first = _core.Detector(model, batch=1)
    for at in range(0, 3000, 37):
        second, piece = _core.Detector(model, batch=1), slice(at, at + 37)
        second.restore(first.snapshot())
        assert run(first, samples[piece], t[piece]) == run(second, samples[piece], t[piece])
        assert first.snapshot() == second.snapshot()  # byte for byte: no address is in it
    assert first.event["id"] > 20 and first.threshold != model.threshold


def test_an_image_of_something_else_is_refused(model: _core.Model) -> None:
    detector, samples, t = _core.Detector(model, batch=1), *series(200)
    run(detector, samples, t)
    image = detector.snapshot()
    for other in (b"", image[:-1], image + b"\0"):
        with pytest.raises(ValueError, match="image: has .* bytes, a detector of m_rich has"):
            detector.restore(other)
    assert detector.snapshot() == image


def test_no_image_leads_a_step_astray(model: _core.Model) -> None:
    """Every word of it as it cannot be, in a child, which would die of what it touched."""
    samples, t = series(200)
    detector = _core.Detector(model, batch=1)
    run(detector, samples[:100], t[:100])
    image = detector.snapshot()
    child = os.fork()
    if child == 0:
        refused = 0
        try:
            for at in range(0, len(image), 4):
                for word in (0xFFFFFFFF, 0x7FFFFFFF, 0x10000):
                    try:
                        detector.restore(image[:at] + struct.pack("I", word) + image[at + 4 :])
                    except ValueError:
                        refused += 1
                        assert detector.snapshot() == image
                        continue
                    detector.run(samples[100:], None, False)
                    detector.ended()
                    detector.restore(image)
            os._exit(0 if refused > 10 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_interruption_empties_the_window_and_ends_the_event(model: _core.Model) -> None:
    detector = _core.Detector(model, batch=1)
    fault = np.tile(np.float32([1, 9]), (10, 1))
    assert detector.interrupt() is None
    run(detector, *series(300))
    learnt, before = detector.threshold, len(detector.ended()[0])
    detector.interrupt()
    assert before and detector.threshold == learnt != model.threshold  # what it has learnt, it keeps
    detector.reset()
    _, alarms, events, _ = detector.run(fault, None, False)
    assert alarms[-1] and not len(events)
    event = detector.interrupt()
    assert (event["id"], event["end"]) == (1, 9) and detector.interrupt() is None
    scores, *_ = detector.run(fault, None, False)
    assert np.flatnonzero(~np.isnan(scores))[0] == model.window - 1
