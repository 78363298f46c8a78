"""The protocol, both sides of it: the header's numbers, frames that agree, and everything that can happen on a line."""

import random
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tsad_edge import _core
from tsad_edge.boards import protocol
from tsad_edge.boards.feed import ERR_INPUT, feed
from tsad_edge.boards.protocol import Session, framed, unframed
from tsad_edge.twin import NOT_FINITE

from .conftest import OnHost, session_of

MCU = Path(__file__).parents[2] / "csrc" / "target" / "mcu"
ATTEMPTS = 6
AT_ONCE = (0.002,) * ATTEMPTS
"""The line on the host needs no time: an answer is there, or lost. Seconds."""


def test_python_has_the_header_s_numbers() -> None:
    text = (MCU / "frame.h").read_text()
    said = {name: int(value, 0) for name, value in re.findall(r"(FRAME_\w+) = (\w+)", text)}
    assert {name: said[f"FRAME_{name}"] for name in ("HELLO", "SAMPLE", "FINISH", "STACK", "ANSWER", "REFUSED")} == {
        name: getattr(protocol, name) for name in ("HELLO", "SAMPLE", "FINISH", "STACK", "ANSWER", "REFUSED")
    }
    assert bytes([said["FRAME_END"]]) == protocol.END and bytes([said["FRAME_ESCAPE"]]) == protocol.ESCAPE
    assert bytes([said["FRAME_ESCAPE"], said["FRAME_ESCAPED_END"]]) == protocol.ESCAPED_END
    assert bytes([said["FRAME_ESCAPE"], said["FRAME_ESCAPED_ESCAPE"]]) == protocol.ESCAPED_ESCAPE
    assert protocol.HEAD.size + protocol.CRC.size == said["FRAME_AROUND"]
    refusals = {said[f"FRAME_{name}"] for name in ("NO_SESSION", "BAD_SEQUENCE", "BAD_QUESTION")}
    assert refusals == set(protocol.REFUSALS)
    assert protocol.RESULT.size + protocol.RECORD.size <= said["FRAME_LARGEST_ANSWER"]


def hello(on_host: Any, number: int = 1, sequence: int = 0) -> tuple[int, int, bytes]:
    return said(on_host, framed(protocol.HELLO, sequence, struct.pack("<I", number)))


def said(on_host: Any, data: bytes) -> Any:
    """The one frame that is answered; None for silence."""
    frames = [each for each in on_host.exchange(data).split(protocol.END) if each]
    assert len(frames) <= 1
    return unframed(frames[0]) if frames else None


def sample(sequence: int, t: int, *values: float) -> bytes:
    return framed(protocol.SAMPLE, sequence, struct.pack(f"<Q{len(values)}f", t, *values))


@given(data=st.binary(max_size=300), sequence=st.integers(0, 65535), kind=st.integers(0, 255))
def test_frames_survive_any_payload(data: bytes, sequence: int, kind: int) -> None:
    frame = framed(kind, sequence, data)
    assert frame.count(protocol.END) == 2 and unframed(frame[1:-1]) == (kind, sequence, data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.binary(max_size=200))
def test_noise_is_dropped_and_what_follows_is_heard(on_host: Any, noise: bytes) -> None:
    on_host.restart()
    on_host.exchange(noise)
    assert hello(on_host)[0] == protocol.HELLO | protocol.ANSWER


def test_hello_tells_which_model_it_is(on_host: Any) -> None:
    told, here = Session(on_host, 7, AT_ONCE).model, _core.reference()
    assert (told.status, told.abi, told.crc, told.id, told.name) == (0, _core.abi, here.crc, here.id, here.name)


def test_a_question_asked_again_is_answered_again_and_not_taken_again(on_host: Any) -> None:
    hello(on_host)
    for t in range(15):
        said(on_host, sample(t + 1, t, 0, 0, 0))
    first, again = said(on_host, sample(16, 15, 5, 5, 5)), said(on_host, sample(16, 15, 5, 5, 5))
    assert first == again and protocol.RESULT.unpack(first[2])[0] == 0, "the 16th sample has the first score"
    assert said(on_host, sample(17, 16, 5, 5, 5))[2][0] == 0, "had 15 been taken twice, t would not increase"


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (sample(3, 0, 1, 1, 1), "sequence"),  # two was skipped
        (sample(65535, 0, 1, 1, 1), "sequence"),
        (framed(protocol.HELLO, 9, struct.pack("<I", 1)), "sequence"),  # of this session, but late
        (sample(1, 0, 1, 1), "question"),  # a channel is missing
        (framed(77, 1, b""), "question"),
        (framed(protocol.FINISH, 1, b"x"), "question"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(on_host: Any, question: bytes, why: str) -> None:
    hello(on_host)
    kind, _, payload = said(on_host, question)
    assert kind == protocol.REFUSED and why in protocol.REFUSALS[payload[0]]
    assert said(on_host, sample(1, 0, 1, 1, 1))[2][0] == 1  # goes on


def test_without_a_hello_nothing_is_taken(on_host: Any) -> None:
    kind, _, payload = said(on_host, sample(1, 0, 1, 1, 1))
    assert kind == protocol.REFUSED and "no session" in protocol.REFUSALS[payload[0]]


def test_a_firmware_that_was_reset_in_between_is_noticed(on_host: Any) -> None:
    session = Session(on_host, 4, AT_ONCE)
    session.sample(0, np.zeros(3, np.float32))
    on_host.restart()
    with pytest.raises(RuntimeError, match="there is no session: it was reset"):
        session.sample(1, np.zeros(3, np.float32))


def test_sequence_numbers_wrap(on_host: Any) -> None:
    hello(on_host, 1, 65534)
    for t, sequence in enumerate((65535, 0, 1)):
        assert said(on_host, sample(sequence, t, 1, 1, 1))[2][0] == 1


def test_numbers_that_slip_escapes(on_host: Any) -> None:
    assert Session(on_host, 0xC0DBDCDD, AT_ONCE).stack_used() == 0xC0DB


class Bad:
    """A line on which things happen: each frame of either direction is whole, lost, damaged, repeated or late."""

    def __init__(self, line: Any, faults: list[tuple[str, int]]) -> None:
        self.line, self.faults = line, faults
        self.seen: list[bytes] = []
        self.waiting = b""

    def _through(self, data: bytes) -> bytes:
        fault, place = self.faults.pop() if self.faults else ("none", 0)
        self.seen.append(data)
        match fault:
            case "lost":
                return b""
            case "damaged" if data:
                at = place % len(data)
                return data[:at] + bytes([data[at] ^ (1 + place % 255)]) + data[at + 1 :]
            case "cut" if data:
                return data[: place % len(data)]
            case "repeated":
                return data * 2
            case "an older one first":
                return self.seen[place % len(self.seen)] + data
            case "noise":
                return bytes([place % 256]) * (place % 50) + data
        return data

    def send(self, data: bytes) -> None:
        self.waiting += self._through(self.line.exchange(self._through(data)))

    def receive(self, _: float) -> bytes:
        data, self.waiting = self.waiting, b""
        return data


KINDS = ("lost", "damaged", "cut", "repeated", "an older one first", "noise")


def attempts(fault: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """At most four faults, then quiet: no question meets more faults than it has attempts."""
    return [*fault[:4], *[("none", 0)] * 4]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    bursts=st.lists(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 1000)), max_size=4), max_size=25),
    number=st.integers(1, 2**32 - 1),
)
def test_whatever_happens_on_the_line_scores_and_events_are_the_host_s(
    on_host: Any, samples: NDArray[np.float32], bursts: list[list[tuple[str, int]]], number: int
) -> None:
    """Faults in bursts."""
    on_host.restart()
    converse(on_host, samples[85:150], bursts, number)


def converse(on_host: Any, values: NDArray[np.float32], bursts: list[list[tuple[str, int]]], number: int) -> None:
    """A series over a bad line; a sample that got lost or was taken twice would change every score after it."""
    line = Bad(on_host, [fault for burst in bursts for fault in attempts(burst)])
    session = Session(line, number, AT_ONCE)
    steps = [session.sample(t, row) for t, row in enumerate(values)]
    last = session.finish()
    scores, alarms, events, quality = _core.Detector(_core.reference("generic")).run(values, None)
    heard = np.array([step.score if step.status == 0 else np.nan for step in steps], np.float32)
    scored = ~np.isnan(scores)
    np.testing.assert_array_equal(np.isnan(heard), ~scored)
    np.testing.assert_array_equal(heard[scored].view(np.uint32), scores[scored].view(np.uint32))
    assert [step.alarm for step in steps] == alarms.tolist()
    assert [NOT_FINITE if step.status == ERR_INPUT else step.quality for step in steps] == quality.tolist()
    records = [step.event for step in steps if step.event is not None] + ([last] if last else [])
    assert records == events.tolist() and len(records) > 0


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("frame.c", "return crc == get_u16(", "return crc != 1 + get_u16("),  # damaged ones are taken
        ("session.c", "if (starts || f.kind != s->kind || f.sequence != s->sequence) {", "if (1) {"),  # repeated ones
        ("session.c", " || f.sequence != (uint16_t)(s->sequence + 1u))", ")"),  # old ones
    ],
)
def test_a_protocol_that_is_not_careful_is_seen(
    on_host: Any, samples: NDArray[np.float32], tmp_path: Path, file: str, old: str, new: str
) -> None:
    """By what ours bears."""
    shutil.copytree(MCU, tmp_path / "mcu")
    text = (tmp_path / "mcu" / file).read_text()
    assert text.count(old) == 1
    (tmp_path / "mcu" / file).write_text(text.replace(old, new))
    draw = random.Random(1)
    bursts = [[(kind, draw.randrange(1000)) for kind in draw.sample(KINDS, 4)] for _ in range(25)]
    converse(on_host, samples[85:150], bursts, 1)
    with pytest.raises((AssertionError, RuntimeError)):
        converse(OnHost(session_of(tmp_path / "mcu", tmp_path / "session.so")), samples[85:150], bursts, 1)


@pytest.mark.parametrize("fault", ["lost", "damaged"])
def test_a_dead_line_is_given_up(on_host: Any, fault: str) -> None:
    with pytest.raises(RuntimeError, match=f"does not answer: asked {ATTEMPTS} times"):
        Session(Bad(on_host, [(fault, 3)] * 100), 1, AT_ONCE)


def test_a_series_is_only_fed_to_the_model_it_was_meant_for(on_host: Any, samples: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match=rf"holds the model m_reference \({_core.reference().id[:12]}.*--model"):
        feed(on_host, "0" * 64, np.arange(3), samples[:3])
