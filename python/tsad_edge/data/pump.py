"""The bundled data set: pumps, simulated once a second, with labelled faults of six kinds in their test series.

Owns the physics (a few laws any pump obeys, plus noise) and the faults. Everything is drawn from one seed: same seed,
same series. Pumps differ in size, operating point and noise.

speed        rpm    follows set-points through load cycles: holds and ramps
current      A      grows with the cube of speed, less when the valve throttles the flow
pressure     bar    grows with the square of speed, more when throttled; carries the pulsation too, fainter and later
vibration    mm/s   a level that grows with speed, and the pulsation, whose frequency follows speed (0.08 to 0.16 Hz)
temperature  deg C  lags the current by minutes, on an ambient that drifts slowly and within bounds

The load cycles make every channel cover its range all the time, so that a fault hides inside it: what gives it away is
the other channels and the recent past, not the value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .series import Entity, Event, Series

CHANNELS = ("speed", "current", "pressure", "vibration", "temperature")
SPEED, CURRENT, PRESSURE, VIBRATION, TEMPERATURE = range(5)
KINDS = ("spike", "level_shift", "drift", "stuck_sensor", "broken_correlation", "frequency_change")
PUMPS = ("pump-1", "pump-2", "pump-3")

Floats = NDArray[np.float64]

# Samples a fault lasts (from, below), and the channels whose sensor it may befall. A frequency change befalls the pump.
DURATION = {
    "spike": (2, 5),
    "level_shift": (60, 121),
    "drift": (150, 241),
    "stuck_sensor": (100, 161),  # longer than any hold: the others move
    "broken_correlation": (80, 161),
    "frequency_change": (100, 181),
}
BEFALLS = {
    "spike": (SPEED, CURRENT, PRESSURE, VIBRATION),
    "level_shift": (CURRENT, PRESSURE, VIBRATION),
    "drift": (CURRENT, PRESSURE),
    "stuck_sensor": (SPEED, CURRENT, PRESSURE),
    "broken_correlation": (CURRENT, PRESSURE),
}
QUIET = 150  # least normal samples between two faults: several windows


@dataclass(frozen=True)
class _Pump:
    """Rated values at full load, and how noisy the sensors are (share of the rated value)."""

    speed: float
    current: float
    pressure: float
    vibration: float
    ambient: float
    warming: float
    frequency: float
    noise: float


def pump(name: str, seed: int, train_rows: int = 6000, test_rows: int = 6000) -> Entity:
    """Simulate one pump: normal operation to learn from, then a test with two faults of each of the six kinds.

    Parameters
    ----------
    name : str
        One of `PUMPS`; each has its own size and its own draws.
    seed : int
        Same seed, same bytes.
    train_rows, test_rows : int
        Samples, that is seconds; the test follows the training data without a break.

    Returns
    -------
    Entity
        Five channels; the test's events carry their kind.

    Raises
    ------
    ValueError
        There is no such pump, or the test is too short to hold the faults apart.

    Examples
    --------
    >>> one = pump("pump-1", seed=1)
    >>> one.train.values.shape, len(one.test.events)
    ((6000, 5), 12)
    """
    if name not in PUMPS:
        raise ValueError(f"entity {name!r}: the data set 'pump' has {', '.join(PUMPS)}")
    rng = np.random.default_rng([seed, PUMPS.index(name)])
    rated = _Pump(
        speed=rng.uniform(1450, 2950),
        current=rng.uniform(20, 60),
        pressure=rng.uniform(3, 9),
        vibration=rng.uniform(2, 5),
        ambient=rng.uniform(18, 30),
        warming=rng.uniform(25, 40),
        frequency=rng.uniform(0.13, 0.16),
        noise=rng.uniform(0.006, 0.009),
    )
    faults = [Event(train_rows + e.start, train_rows + e.end, e.kind) for e in _schedule(rng, test_rows)]
    rows = train_rows + test_rows
    stretch = np.ones(rows)
    for fault in faults:
        if fault.kind == "frequency_change":
            stretch[fault.start : fault.end] = rng.choice([rng.uniform(0.45, 0.6), rng.uniform(1.7, 2.1)])
    values = _run(rng, rated, rows, stretch)
    elsewhere = _run(rng, rated, rows, np.ones(rows))  # the same pump on another day
    usual = values[:train_rows].mean(axis=0), values[:train_rows].std(axis=0)
    for fault in faults:
        if fault.kind != "frequency_change":
            _break(rng, values, elsewhere, usual, fault)

    t = np.arange(rows, dtype=np.int64) * 1000
    labels = np.zeros(rows, np.uint8)
    for fault in faults:
        labels[fault.start : fault.end] = 1
    events = tuple(Event(e.start - train_rows, e.end - train_rows, e.kind) for e in faults)

    def part(rows: slice, events: tuple[Event, ...]) -> Series:
        return Series(
            name, CHANNELS, values[rows].astype(np.float32), t[rows], "milliseconds", 1.0, labels[rows], events
        )

    return Entity(part(slice(train_rows), ()), part(slice(train_rows, None), events))


def _schedule(rng: np.random.Generator, rows: int) -> list[Event]:
    """Two faults of each kind in drawn order, each somewhere in its own equal share of the test."""
    kinds = rng.permutation(KINDS * 2)
    share = (rows - QUIET) // len(kinds)
    room = share - QUIET - max(longest for _, longest in DURATION.values())
    if room < 0:
        raise ValueError(f"test_rows {rows}: twelve faults need at least {rows - room * len(kinds)}")
    events = []
    for i, kind in enumerate(kinds):
        length = int(rng.integers(*DURATION[kind]))
        start = QUIET + i * share + int(rng.integers(0, share - QUIET - length))
        events.append(Event(start, start + length, str(kind)))
    return events


def _run(rng: np.random.Generator, rated: _Pump, rows: int, stretch: Floats) -> Floats:
    """(rows, 5) samples of normal operation; `stretch` multiplies the frequency of the vibration."""
    load = _lag(_load_cycles(rng, rows), 3.0)  # inertia rounds the corners of the ramps
    load = load + 0.004 * _wander(rng, rows, 20.0)
    valve = 0.035 * _wander(rng, rows, 40.0)
    frequency = rated.frequency * (0.35 + 0.65 * load)
    start = rng.uniform(0, 2 * np.pi)
    phase = 2 * np.pi * np.cumsum(frequency * stretch) + start
    current = 0.12 + 0.88 * load**3 * (1 - valve)
    pressure = 0.05 + 0.95 * load**2 * (1 + valve) + 0.03 * load * np.sin(phase - 1.2)
    vibration = 0.25 + 0.45 * load**2 + 0.25 * load * np.sin(phase)
    drift = 0.05 * np.sin(2 * np.pi * np.arange(rows) / rng.uniform(900, 1500) + rng.uniform(0, 2 * np.pi))
    temperature = _lag(current, 120.0) + drift
    clean = np.stack([load, current, pressure, vibration, temperature], axis=1)
    noise = rated.noise * np.array([0.5, 1.2, 1.0, 4.0, 0.5])
    noisy = clean + noise * rng.standard_normal(clean.shape)
    scale = np.array([rated.speed, rated.current, rated.pressure, rated.vibration, rated.warming])
    values: Floats = noisy * scale + np.array([0, 0, 0, 0, rated.ambient])
    return values


def _load_cycles(rng: np.random.Generator, rows: int) -> Floats:
    """Share of the rated speed, 0.45 to 1: held for a minute or so, then ramped to a clearly different set-point."""
    count = rows // 40 + 1
    walk = np.cumsum(rng.uniform(0.15, 0.4, count) * rng.choice([-1, 1], count)) + rng.uniform(0, 1.1)
    points = 0.45 + np.abs(walk % 1.1 - 0.55)  # reflected at both ends
    ramps = np.abs(np.diff(points, append=points[-1])) / rng.uniform(0.012, 0.018, count) + 1
    spans = np.stack([rng.uniform(40, 90, count), ramps], axis=1)
    ends = np.cumsum(spans).reshape(count, 2)
    times = np.stack([ends[:, 0] - spans[:, 0], ends[:, 0]], axis=1)  # a set-point is held between these two
    return np.interp(np.arange(rows), times.ravel(), np.repeat(points, 2))


def _lag(x: Floats, seconds: float) -> Floats:
    """A first-order lag: exponential average with this time constant, settled at the start."""
    taps = np.exp(-np.arange(int(8 * seconds)) / seconds)
    padded = np.concatenate([np.full(len(taps) - 1, x[0]), x])
    return np.convolve(padded, taps / taps.sum(), mode="valid")


def _wander(rng: np.random.Generator, rows: int, seconds: float) -> Floats:
    """Noise of unit variance that remembers this long."""
    wandering: Floats = _lag(rng.standard_normal(rows + int(8 * seconds)), seconds)[-rows:] * np.sqrt(2 * seconds)
    return wandering


def _break(
    rng: np.random.Generator, values: Floats, elsewhere: Floats, usual: tuple[Floats, Floats], fault: Event
) -> None:
    """Put one sensor fault into `values`.

    Sizes are shares of the channel's spread over the load cycles; what is added leads towards the channel's mean, so
    that the fault stays within the range that normal operation covers.
    """
    channel = int(rng.choice(BEFALLS[fault.kind or ""]))
    mean, spread = usual[0][channel], usual[1][channel]
    part = values[fault.start : fault.end, channel]
    inwards = spread if part.mean() < mean else -spread
    if fault.kind in ("spike", "level_shift"):
        part += rng.uniform(1.0, 1.4) * inwards
    elif fault.kind == "drift":
        part += rng.uniform(1.6, 2.2) * inwards * np.linspace(0, 1, len(part))
    elif fault.kind == "stuck_sensor":
        part[:] = part[0]
    elif fault.kind == "broken_correlation":
        # What the sensor might show on another day, where that differs most of a few days drawn.
        days = rng.integers(0, len(elsewhere) - len(part), 8)
        candidates = np.stack([elsewhere[day : day + len(part), channel] for day in days])
        part[:] = candidates[np.abs(candidates - part).mean(axis=1).argmax()]
