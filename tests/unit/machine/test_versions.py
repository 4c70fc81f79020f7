"""Can two releases follow one journal side by side?

Contract: version 2 is that of `next_release`.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.errors import NewerReleaseError
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.unit.machine.log import START_MS, Log, message
from tests.unit.machine.next_release import BURY, NEXT_RELEASE


def upgraded() -> Log:
    """A journal that is read by the next release."""
    log = Log()
    log.machine = Machine("q", versions=NEXT_RELEASE)
    return log


def opened(log: Log, *, newest_version: int, server: str = "server") -> int:
    log.frame(c.open_session(server, 3, 0, newest_version), writer=server)
    return log.position


def test_a_version_is_activated_when_every_live_session_knows_it() -> None:
    log = upgraded()
    log.enqueue("a")
    opened(log, newest_version=2)
    old = opened(log, newest_version=1, server="old")
    assert log.say([BURY, ["a"]]) == [c.REJECTED]
    assert log.say(c.activate(2)) == [c.UNKNOWN_VERSION]
    assert log.say([BURY, ["a"]]) == [c.REJECTED]

    log.frame(c.close_session(old), writer="old")
    applied = log.frame(c.activate(2), [BURY, ["a"]])

    assert applied.outcomes == [0, 0]
    assert "machine version 2 holds" in applied.notes[0]
    assert log.ids(TaskState.ARCHIVED) == ["a"]
    assert log.machine.unsupported_version() is None


def test_a_genesis_that_comes_late_leaves_the_version_as_it_is() -> None:
    log = upgraded()
    opened(log, newest_version=2)
    assert log.say(c.activate(2)) == 0

    assert log.say(c.genesis(b"j" * 16, 0, 1)) == 0

    assert log.machine.genesis == (b"j" * 16, 0, 1)
    assert log.say([BURY, ["a"]]) != [c.REJECTED]


def test_nothing_is_activated_where_nobody_serves() -> None:
    log = upgraded()

    assert log.say(c.activate(2)) == [c.UNKNOWN_VERSION]


def test_there_is_no_way_back_and_nothing_beyond_what_all_know() -> None:
    log = upgraded()
    opened(log, newest_version=2)

    assert log.say(c.activate(3)) == [c.UNKNOWN_VERSION]
    assert log.say(c.activate(1)) == [c.BEHIND]
    assert log.say(c.activate(2)) == 0
    assert log.say(c.activate(2)) == [c.BEHIND]
    assert log.say(c.activate(1)) == [c.BEHIND]


@pytest.mark.parametrize("command", [[c.ACTIVATE], [c.ACTIVATE, "2"], [c.ACTIVATE, True], [c.ACTIVATE, 2, 3]])
def test_a_malformed_activation_is_rejected(command: c.Command) -> None:
    log = upgraded()
    opened(log, newest_version=2)

    assert log.say(command) == [c.REJECTED]


def test_an_older_release_cannot_join_after_the_activation() -> None:
    log = upgraded()
    opened(log, newest_version=2)
    log.frame(c.activate(2))

    assert log.say(c.open_session("late", 3, 3, 1), writer="late") == [c.REJECTED]
    assert len(log.machine.sessions()) == 1


def test_an_older_release_sees_that_it_must_be_upgraded() -> None:
    log = upgraded()
    opened(log, newest_version=2)
    log.frame(c.activate(2))
    old = log.replayed()

    assert old.unsupported_version() == 2
    assert old.apply(9, START_MS, True, encode_frame(b"w" * 16, 1, [c.pause()])).outcomes == [[c.REJECTED]]


def test_an_older_release_does_not_load_a_newer_snapshot() -> None:
    log = upgraded()
    opened(log, newest_version=2)
    log.frame(c.activate(2))
    sections = list(snapshot_sections(log.machine))

    with pytest.raises(NewerReleaseError, match="machine version 2, which this release does not know; upgrade"):
        restore("q", sections)
    assert restore("q", sections, versions=NEXT_RELEASE).digest() == log.machine.digest()


@pytest.mark.parametrize("versions", [VERSIONS, NEXT_RELEASE])
def test_the_enqueue_commands_of_every_version_stay(versions: Versions) -> None:
    """A thin client writes the oldest form that can say it, and asks no journal which version holds."""
    for table in versions.values():
        assert {c.GENESIS, c.ENQUEUE, c.ENQUEUE_MORE, c.ASK} <= set(table)
    log = upgraded()
    opened(log, newest_version=2)
    log.frame(c.activate(2))

    assert log.say(c.enqueue(["a"], [message("a")])) == 0
    assert log.say(c.enqueue_more(["b"], [message("b")], process_at=[START_MS])) == 0


COMMAND = st.one_of(
    st.builds(lambda n: c.enqueue([f"task-{n}"], [message(f"task-{n}")]), st.integers(0, 9)),
    st.builds(lambda n: [BURY, [f"task-{n}"]], st.integers(0, 9)),
    st.builds(lambda version: c.open_session("s", 3, 2, version), st.integers(1, 2)),
    st.builds(c.close_session, st.integers(0, 12)),
    st.builds(c.leave, st.integers(0, 12)),
    st.builds(c.activate, st.integers(1, 3)),
    st.sampled_from([c.tick(), c.pause(), c.unpause()]),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 700, 9_000]), st.lists(COMMAND, max_size=3)), max_size=14))
def test_old_and_new_agree_until_the_old_one_stops(history: list[tuple[int, list[c.Command]]]) -> None:
    old, new = Machine("q"), Machine("q", versions=NEXT_RELEASE)
    now_ms = START_MS
    for position, (step_ms, commands) in enumerate(history):
        now_ms += step_ms
        entry = (position, now_ms, True, encode_frame(b"w" * 16, position + 1, commands))
        here, there = old.apply(*entry), new.apply(*entry)
        if old.unsupported_version() is not None:
            break
        assert here == there
        assert old.digest() == new.digest()
    assert new.unsupported_version() in (None, 3)
    if old.unsupported_version() is not None:
        assert all(session.newest_version >= 2 for session in new.state.sessions.values())
