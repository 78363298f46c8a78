"""tsad_edge._core: models and detectors on numpy arrays, and what they say when something is wrong."""

import ctypes
import gc
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import tsad_edge
from tsad_edge import _core


@pytest.fixture
def tiny(built: Path) -> "_core.Model":
    return _core.Model(str(built / "libm_tiny.so"))


def series(n: int, channels: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, channels)).astype(np.float32)


def test_one_version() -> None:
    assert _core.version == tsad_edge.__version__
    assert isinstance(_core.abi, int)


def test_model(tiny: "_core.Model", built: Path) -> None:
    assert (tiny.name, tiny.layout) == ("m_tiny", "generic")
    assert (tiny.channels, tiny.window, tiny.parts, tiny.slot_size, tiny.threshold) == (2, 3, 2, 8, 10.0)
    assert tiny.channel_names == ["a", "b"] and _core.reference().channel_names == ["a", "b", "c"]
    assert _core.Model(str(built / "libm_nameless.so")).channel_names is None
    assert tiny.memory == 40 and len(tiny.id) == 64
    names, arrays = zip(*tiny.weights, strict=True)
    assert names == ("enter", "gain")
    assert zlib.crc32(b"".join(array.tobytes() for array in arrays)) == tiny.crc
    assert arrays[1].tolist() == [1, 2] and arrays[1].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        arrays[1][0] = 3
    tiny.check()
    with pytest.raises(ValueError, match=r"libm_tiny\.so.*'avx10'"):
        _core.Model(str(built / "libm_tiny.so"), "avx10")


def test_weights_keep_their_library_open(built: Path) -> None:
    weights = _core.Model(str(built / "libm_tiny.so")).weights
    gc.collect()
    assert weights[1][1].tolist() == [1, 2]


def test_models_that_cannot_be_used(built: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=rf"libm_foreign\.so.*model ABI {_core.abi + 1}.*convert"):
        _core.Model(str(built / "libm_foreign.so"))
    damaged = _core.Model(str(built / "libm_damaged.so"))
    with pytest.raises(RuntimeError, match=r"libm_damaged\.so.*CRC.*convert"):
        damaged.check()
    with pytest.raises(RuntimeError, match="CRC"):
        _core.Detector(damaged)
    with pytest.raises(ValueError, match=r"gone\.so: is not a file"):
        _core.Model(str(tmp_path / "gone.so"))
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(RuntimeError, match=r"text\.so: cannot be opened"):
        _core.Model(str(tmp_path / "text.so"))


def test_bulk_equals_steps_equals_run(tiny: "_core.Model") -> None:
    for model in (tiny, _core.reference()):
        x = series(400, model.channels)
        x[50, 0], x[51, -1] = np.nan, np.inf
        detector = _core.Detector(model, batch=7)
        bulk = detector.score(x)
        assert bulk.dtype == np.float32 and bulk.shape == (400,)
        refused = {50, 51}
        assert np.flatnonzero(np.isnan(bulk)).tolist() == [*range(model.window - 1), *sorted(refused)]
        detector.reset()
        run = detector.run(x)
        np.testing.assert_array_equal(run[0], bulk)
        np.testing.assert_array_equal(run[1], bulk > np.float32(model.threshold))
        detector.reset()
        for t in range(100):
            if t in refused:
                with pytest.raises(ValueError, match=f"step at t = {t}: a value of the sample is NaN"):
                    detector.step(t, x[t])
            else:
                status, score, alarm, *_ = detector.step(t, x[t])
                assert status == (1 if t < model.window - 1 else 0) and alarm == (score > detector.threshold)
                np.testing.assert_array_equal(np.float32(score), bulk[t])
        np.testing.assert_array_equal(detector.score(x[100:]), bulk[100:])  # goes on from the steps


def test_scores_are_what_the_weights_say(tiny: "_core.Model") -> None:
    x = series(50, 2)
    (offset, scale), gain = tiny.weights[0][1].reshape(2, 2), tiny.weights[1][1]
    z = ((x - offset) * scale).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(z, 3, axis=0)  # (n, C, W)
    np.testing.assert_allclose(
        _core.Detector(tiny).score(x)[2:], (windows.sum(axis=2) * gain).sum(axis=1), rtol=1e-5, atol=1e-5
    )


def test_events(tiny: "_core.Model") -> None:
    x = np.tile(np.array([1, -1], dtype=np.float32), (12, 1))
    x[4, 1], x[11, 0] = 9, 91
    detector = _core.Detector(tiny)
    t = np.arange(12, dtype=np.int64) * 1000
    _, alarms, events, _ = detector.run(x, t)
    assert np.flatnonzero(alarms).tolist() == [4, 5, 6, 11]
    assert events.tolist() == [(1, 4000, 6000, 40.0, 4000, 1), (2, 11000, 11000, 45.0, 11000, 0)]
    assert events.dtype == _core.event_dtype and events.dtype.names == ("id", "start", "end", "peak", "peak_t", "top")
    assert detector.event == events[1] and detector.finish() is None
    assert _core.Detector(tiny, threshold=44.0).run(x, t)[2].tolist() == [(1, 11000, 11000, 45.0, 11000, 0)]
    # Without times the row index goes on from the last sample taken.
    detector = _core.Detector(tiny)
    assert detector.event is None
    detector.run(x[:5])
    assert detector.run(x[5:])[2].tolist()[0] == (2, 5, 6, 40.0, 5, 1)
    # In pieces that do not finish, an event goes on.
    detector = _core.Detector(tiny)
    assert detector.run(x[:5], t[:5], finish=False)[2].tolist() == []
    assert detector.run(x[5:], t[5:])[2].tolist() == events.tolist()


def test_decide_is_the_second_half_of_step(tiny: "_core.Model") -> None:
    detector = _core.Detector(tiny, 1.0)
    assert detector.decide(0, 0.5) == (0, 0.5, False, 0, 0, 0)
    assert detector.decide(1, 2.0, np.array([1, 5], dtype=np.float32)) == (0, 2.0, True, 1, 0, 0)
    assert detector.decide(2, float("nan"))[0] == 1
    assert detector.event.tolist() == (1, 1, 1, 2.0, 1, 1)
    assert detector.decide(3, 0.0)[3] == 2
    detector.decide(4, 3.0)
    assert detector.finish().tolist() == (2, 4, 4, 3.0, 4, -1)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((5, 2)), r"float32.*got float64; .*np\.require\(samples, np\.float32, 'CA'\)"),
        (np.zeros((5, 4), dtype=np.float32)[:, ::2], "float32, not contiguous; "),
        (np.zeros((5, 3), dtype=np.float32), r"\(n, 2\).*m_tiny.*\(5, 3\)"),
        (np.zeros(5, dtype=np.float32), r"\(n, 2\).*\(5,\)"),
        (np.zeros((5, 2), dtype=">f4"), "float32"),
        (np.zeros(41, dtype=np.uint8)[1:].view(np.float32).reshape(5, 2), "float32, not aligned; "),
    ],
)
def test_samples_that_do_not_fit(tiny: "_core.Model", samples: NDArray[np.generic], words: str) -> None:
    detector = _core.Detector(tiny)
    for call in (detector.score, detector.run):
        with pytest.raises(ValueError, match=f"samples: must.*{words}"):
            call(samples)
    assert detector.taken == 0


def test_times_that_do_not_fit(tiny: "_core.Model") -> None:
    x = series(4, 2)
    detector = _core.Detector(tiny)
    with pytest.raises(ValueError, match="t: must be.*int64"):
        detector.run(x, np.arange(4.0))
    with pytest.raises(ValueError, match=r"t: must have one time a sample, 4, got shape \(3,\)"):
        detector.run(x, np.arange(3))
    with pytest.raises(ValueError, match=r"t\[2\] = 5, after 5: time does not increase"):
        detector.run(x, np.array([4, 5, 5, 6]))
    assert detector.taken == 2
    with pytest.raises(ValueError, match=r"t\[1\] = -1: is negative"):
        _core.Detector(tiny).run(x, np.array([0, -1, 1, 2]))
    with pytest.raises(ValueError, match=r"t = -1: is negative"):
        detector.step(-1, x[0])
    with pytest.raises(ValueError, match=r"t = -1: is negative"):
        detector.decide(-1, 1.0)
    with pytest.raises(ValueError, match="time does not increase"):
        detector.step(5, x[0])
    with pytest.raises(ValueError, match=r"sample: must have 2 values, got shape \(1, 1\)"):
        detector.step(9, x[:1, :1].copy())


def test_the_row_index_goes_on_from_the_last_time(tiny: "_core.Model") -> None:
    x = np.tile(np.array([1, 99], dtype=np.float32), (5, 1))
    detector = _core.Detector(tiny)
    detector.score(x)  # takes samples, and needs no time
    assert detector.run(x)[2]["start"].tolist() == [0]
    assert detector.run(x)[2]["start"].tolist() == [5]
    detector.decide(100, 11.0)  # an event that goes on
    assert detector.run(x)[2][["start", "end"]].tolist() == [(100, 105)]


def test_arguments_that_do_not_fit(tiny: "_core.Model") -> None:
    with pytest.raises(TypeError, match="incompatible"):
        _core.Detector(None)
    with pytest.raises(ValueError, match="threshold"):
        _core.Detector(tiny, float("nan"))
    for batch in (0, 2**62):
        with pytest.raises(ValueError, match=f"batch: {batch}"):
            _core.Detector(tiny, batch=batch)


def test_no_samples(tiny: "_core.Model") -> None:
    detector = _core.Detector(tiny)
    assert detector.score(np.zeros((0, 2), dtype=np.float32)).shape == (0,)
    scores, alarms, events, _ = detector.run(np.zeros((0, 2), dtype=np.float32))
    assert (scores.shape, alarms.shape, events.shape) == ((0,), (0,), (0,))


def test_absurd_samples_alarm(tiny: "_core.Model") -> None:
    x = np.tile(np.array([3e38, -3e38], dtype=np.float32), (3, 1))
    scores, alarms, events, _ = _core.Detector(tiny).run(x)
    assert np.isposinf(scores[2]) and alarms.tolist() == [False, False, True] and len(events) == 1


def test_other_threads_run_meanwhile() -> None:
    """The GIL is released: this thread counts while another one scores."""
    model = _core.reference()
    x = series(400_000, model.channels)
    detector = _core.Detector(model)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)  # nobody gives the GIL away by himself
    try:
        worker = threading.Thread(target=detector.score, args=(x,))
        worker.start()
        seen = worker.is_alive()
        worker.join()
    finally:
        sys.setswitchinterval(before)
    assert seen and detector.taken == 400_000


def test_threads_take_turns() -> None:
    model = _core.reference()
    detector = _core.Detector(model)
    x = series(20_000, model.channels)
    workers = [threading.Thread(target=detector.score, args=(x,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert detector.taken == 80_000


def test_tap_hears_every_operator(built: Path, tiny: "_core.Model") -> None:
    library = ctypes.CDLL(str(built / "libm_tiny.so"))  # the image that `tiny` opened
    sink_type = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.POINTER(ctypes.c_float), ctypes.c_size_t, ctypes.c_size_t)
    heard: list[tuple[int, list[float], int]] = []
    sink = sink_type(lambda op, data, count, width: heard.append((op, data[:count], width)))
    x = np.array([[1, -1], [3, -1], [1, 0]], dtype=np.float32)
    library.tsad_tap_to(sink)
    try:
        _core.Detector(tiny).score(x)
    finally:
        library.tsad_tap_to(sink_type(0))
    assert heard == [(0, [0, 0, 1, 0, 0, 2], 4), (1, [1, 2], 4), (2, [5], 4)]
    _core.Detector(tiny).score(x)
    assert len(heard) == 3
