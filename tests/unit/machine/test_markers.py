"""Which markers of checkpoints count, and which way led to a state?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.machine import markers
from asynq_compat.machine.applied import Marker
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.unit.machine.log import START_MS, Log, message

DIGEST = b"d" * 32
TRAIL = b"t" * 16


def ticked(count: int) -> Log:
    """A journal with so many entries."""
    log = Log()
    for _ in range(count):
        log.frame(c.tick())
    return log


def test_a_marker_is_accepted_and_the_one_before_it_is_remembered() -> None:
    log = ticked(5)
    assert (log.machine.marker, log.machine.marker_before) == (None, None)

    applied = log.frame(c.checkpointed(2, DIGEST, 7, TRAIL))
    assert (applied.outcomes, applied.marker) == ([0], Marker(2, DIGEST, 7, TRAIL))
    assert (log.machine.marker, log.machine.marker_before) == (applied.marker, None)

    log.frame(c.checkpointed(4, DIGEST, 9, TRAIL))
    assert log.machine.marker == Marker(4, DIGEST, 9, TRAIL)
    assert log.machine.marker_before == applied.marker


def test_a_marker_that_comes_late_or_is_ahead_of_the_log_does_not_count() -> None:
    log = ticked(5)
    log.frame(c.checkpointed(3, DIGEST, 7, TRAIL))

    for ahead in (3, 2, 0, None, 10**9):
        position = log.position + 1 if ahead is None else ahead
        applied = log.frame(c.checkpointed(position, DIGEST, 8, TRAIL))
        assert (applied.outcomes, applied.marker) == ([[c.BEHIND]], None)
    assert log.machine.marker == Marker(3, DIGEST, 7, TRAIL)
    assert log.say(c.checkpointed(log.position, DIGEST, 8, TRAIL)) == 0


def test_a_chunk_that_may_have_been_cut_does_not_count() -> None:
    """Two markers let go what lies below both; a third may be of chunks written before those of the second, but not of those."""
    log = ticked(9)
    assert log.say(c.checkpointed(1, DIGEST, 10, TRAIL)) == 0
    assert log.say(c.checkpointed(2, DIGEST, 5, TRAIL)) == 0
    assert log.say(c.checkpointed(3, DIGEST, 4, TRAIL)) == [c.BEHIND]
    assert log.say(c.checkpointed(4, DIGEST, 7, TRAIL)) == 0
    assert log.say(c.checkpointed(5, DIGEST, 4, TRAIL)) == [c.BEHIND]
    assert log.say(c.checkpointed(6, DIGEST, 20, TRAIL)) == 0
    assert log.say(c.checkpointed(7, DIGEST, 6, TRAIL)) == [c.BEHIND]
    assert log.say(c.checkpointed(7, DIGEST, 8, TRAIL)) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12))
def test_what_may_be_cut_only_grows_and_never_takes_one_of_the_last_two(told: list[tuple[int, int]]) -> None:
    log = ticked(21)
    cut_position = cut_chunk = 0
    for position, chunk in told:
        if log.say(c.checkpointed(position, DIGEST, chunk, TRAIL)):
            continue
        assert position >= cut_position
        assert chunk >= cut_chunk
        last, before = log.machine.marker, log.machine.marker_before
        if last is not None and before is not None:
            assert before.position >= cut_position
            assert min(before.first_chunk, last.first_chunk) >= cut_chunk
            cut_position, cut_chunk = before.position, min(before.first_chunk, last.first_chunk)


@pytest.mark.parametrize(
    "command",
    [
        [c.CHECKPOINTED],
        [c.CHECKPOINTED, 0, DIGEST, 0],
        [c.CHECKPOINTED, -1, DIGEST, 0, TRAIL],
        [c.CHECKPOINTED, 0, DIGEST, -1, TRAIL],
        [c.CHECKPOINTED, None, DIGEST, 0, TRAIL],
        [c.CHECKPOINTED, 0, DIGEST[1:], 0, TRAIL],
        [c.CHECKPOINTED, 0, "d" * 32, 0, TRAIL],
        [c.CHECKPOINTED, 0, DIGEST, 0, b""],
        [c.CHECKPOINTED, 0, DIGEST, True, TRAIL],
    ],
)
def test_a_malformed_marker_is_rejected(command: c.Command) -> None:
    log = ticked(2)

    assert log.say(command) == [c.REJECTED]
    assert log.machine.marker is None


def test_the_way_tells_two_logs_apart_and_nothing_else() -> None:
    def way(*changes: tuple[int, tuple[int, int, bool, bytes]]) -> list[bytes]:
        machine = Machine("q")
        trails = []
        for position in range(4):
            entry = dict(changes).get(position, (position, START_MS, True, message(f"task-{position}")))
            machine.apply(*entry)
            trails.append(machine.trail)
        return trails

    usual = way()
    assert way() == usual
    assert len(set(usual)) == 4
    for other in (
        (1, START_MS, True, message("other")),
        (1, START_MS + 1, True, message("task-1")),
        (1, START_MS, False, message("task-1")),
    ):
        changed = way((1, other))
        assert changed[0] == usual[0]
        assert not set(changed[1:]) & set(usual[1:])


def test_the_way_tells_what_an_entry_did() -> None:
    """The same entries after another state: another outcome, another assignment, another session that ends."""
    first, second = Log(), Log()
    first.enqueue("a")
    second.enqueue("b")
    second.machine.state.trail = first.machine.state.trail

    assert first.frame(c.tick()).outcomes == second.frame(c.tick()).outcomes
    assert first.machine.trail == second.machine.trail

    for log in (first, second):
        log.frame(c.delete(["a"]))
    assert first.machine.trail != second.machine.trail


def test_a_record_with_other_headers_is_another_way() -> None:
    first, second = Log(), Log()
    first.append(message("a"), (("unknown", b"1"),))
    second.append(message("a"), (("unknown", b"2"),))

    assert first.machine.task("a") == second.machine.task("a")
    assert first.machine.trail != second.machine.trail


def test_a_marker_of_our_own_state_is_no_contradiction() -> None:
    log = ticked(3)
    trail, position = log.machine.trail, log.position
    log.frame(c.tick())
    log.frame(c.checkpointed(position, DIGEST, 0, trail))

    assert log.machine.divergence() is None
    log.frame(c.checkpointed(position + 1, DIGEST, 0, trail))
    assert log.machine.divergence() == "a checkpoint at position 3 is of another state than was folded here"


def test_whoever_was_restored_can_tell_too() -> None:
    log = ticked(3)
    restored = restore("q", list(snapshot_sections(log.machine)))
    assert restored.trail == log.machine.trail
    position = log.position
    for entry in ticked(5).entries[3:]:
        restored.apply(*entry)

    marker = encode_frame(b"w" * 16, 1, [c.checkpointed(position, DIGEST, 0, TRAIL)])
    assert restored.apply(9, START_MS, True, marker).marker is not None
    assert restored.divergence() is not None


def test_a_marker_that_is_not_accepted_or_from_before_our_time_is_not_compared() -> None:
    log = ticked(4)
    restored = restore("q", list(snapshot_sections(log.machine)))
    log.frame(c.checkpointed(2, DIGEST, 0, b"x" * 16), c.checkpointed(1, DIGEST, 0, TRAIL))
    restored.apply(*log.entries[-1])

    assert log.machine.divergence() is not None
    assert restored.divergence() is None
    assert restored.digest() == log.machine.digest()


def test_only_so_many_positions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers, "FOOTPRINT_COUNT_MIN", 4)
    footprints = markers.Footprints()
    for position in range(0, 40, 2):
        footprints.add(position, b"%016d" % position)
        known = [p for p in range(40) if _tells(footprints, p)]
        assert known == known[:8]
        assert known[-4:] == list(range(0, position + 1, 2))[-4:]


def _tells(footprints: markers.Footprints, position: int) -> bool:
    footprints.compare(Marker(position, DIGEST, 0, b"%016d" % position))
    assert footprints.divergence is None
    footprints.compare(Marker(position, DIGEST, 0, TRAIL))
    tells = footprints.divergence is not None
    footprints.divergence = None
    return tells


def test_the_control_journal_has_markers_too() -> None:
    machine = ControlMachine()
    for position in range(3):
        machine.apply(position, START_MS, True, encode_frame(b"w" * 16, position + 1, [c.queue("q", 1)]))
    trail = machine.trail
    machine.apply(3, START_MS, True, encode_frame(b"w" * 16, 4, [c.cancel("t")]))

    told = [
        c.checkpointed(2, DIGEST, 5, trail),
        c.checkpointed(2, DIGEST, 5, trail),
        c.checkpointed(3, DIGEST, 5, trail),
    ]
    applied = machine.apply(4, START_MS, True, encode_frame(b"w" * 16, 5, told[:2]))
    assert (applied.outcomes, applied.marker) == ([0, [c.BEHIND]], Marker(2, DIGEST, 5, trail))
    assert machine.divergence() is None

    machine.apply(5, START_MS, True, encode_frame(b"w" * 16, 6, told[2:]))
    assert (machine.marker, machine.marker_before) == (Marker(3, DIGEST, 5, trail), applied.marker)
    assert machine.divergence() is not None
