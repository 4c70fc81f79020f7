"""What can an operator change about all tasks of a state, and about the whole queue?"""

from __future__ import annotations

from asynq_compat.machine.containers.attic import PutAside
from asynq_compat.machine.containers.indexes import SEGMENT_LENGTH_AIM
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import admin_command as ac
from asynq_compat.wire import command as c
from tests.unit.machine.log import START_MS, Log, message

NOW_S = START_MS // 1000


def scheduled(log: Log, *ids: str) -> None:
    """Tasks that wait, the last one the shortest."""
    due = [NOW_S + 100 - at for at in range(len(ids))]
    log.say(c.enqueue_more(ids, [message(i) for i in ids], process_at=due))


def test_a_slice_takes_what_comes_first() -> None:
    log = Log()
    scheduled(log, "c", "b", "a")

    assert log.say(ac.run_all("scheduled", "", 2)) == [c.OK, 2]
    assert (log.ids(TaskState.PENDING), log.ids(TaskState.SCHEDULED)) == (["a", "b"], ["c"])
    assert log.say(ac.run_all("scheduled", "", 2)) == [c.OK, 1]
    assert log.say(ac.run_all("scheduled", "", 2)) == [c.OK, 0]


def test_what_is_run_stands_in_short_segments() -> None:
    """A single task of it is found as quickly as any other."""
    log = Log()
    ids = [f"{number:05}" for number in range(3 * SEGMENT_LENGTH_AIM)]
    log.say(c.enqueue_more(ids, [b"m"] * len(ids), process_at=[NOW_S + 60] * len(ids)))

    log.say(ac.run_all("scheduled", "", len(ids)))

    segments = {id(segment): len(segment.ids) for segment, _, _ in log.machine._state.pending.parts()}
    assert log.ids(TaskState.PENDING) == ids
    assert max(segments.values()) <= SEGMENT_LENGTH_AIM


def test_completed_tasks_of_one_second_go_together() -> None:
    log = Log()
    session = log.open(credit=5)
    log.enqueue(*"abcde")
    at = log.position
    log.session(session, c.settle_complete([(at, 0, 3, 60), (at, 3, 5, 90)]), mark=(at, 5))

    assert log.say(ac.delete_all("completed", "", 1)) == [c.OK, 3]
    assert log.ids(TaskState.COMPLETED) == ["d", "e"]


def test_the_archive_keeps_what_it_would_keep_of_single_tasks() -> None:
    """One slice or single commands: the same tasks stay, and the rest is forgotten."""
    together, alone = Log(), Log()
    ids = [f"{number:05}" for number in range(10_001)]
    for log in (together, alone):
        log.say(c.enqueue(ids, [b"m"] * len(ids)))

    assert together.say(ac.archive_all("pending", "", 65_536)) == [c.OK, len(ids)]
    alone.say(c.archive(ids))

    assert together.ids(TaskState.ARCHIVED) == alone.ids(TaskState.ARCHIVED)
    assert together.machine.counts().archived == 9_999
    assert together.machine.task(ids[0]) is None


class CountingAttic:
    """Keeps what it is given, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def put(self, messages: list[bytes]) -> PutAside:
        return _Kept(self, messages)


class _Kept(list[bytes]):
    def __init__(self, attic: CountingAttic, messages: list[bytes]) -> None:
        super().__init__(messages)
        self._attic = attic

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # as a list's
        self._attic.looks += 1
        return super().__getitem__(place)


def test_deleting_a_long_backlog_looks_at_no_message() -> None:
    attic = CountingAttic()
    log = Log()
    log.machine = Machine("q", attic=attic)
    for start in range(0, 40_000, 4_000):
        log.say(c.enqueue([f"{start + at}" for at in range(4_000)], [b"m"] * 4_000))

    assert log.say(ac.delete_all("pending", "", 65_536)) == [c.OK, 40_000]
    assert attic.looks == 0


def test_a_removed_queue_is_as_a_new_one_for_who_serves_it() -> None:
    log = Log()
    session = log.open(credit=3)
    log.enqueue("a")
    log.session(session, c.settle_done([(log.position, 0, 1)]), mark=(log.position, 1))
    log.say(c.enqueue_more(["u"], [b""], process_at=[NOW_S + 9], unique_keys=["k"], unique_ttls=[60]))
    log.say(c.enqueue_more(["g"], [b""], groups=["group"]), c.pause())

    assert log.say(ac.remove_queue(force=False)) == [c.IS_NOT_EMPTY]
    assert log.say(ac.remove_queue(force=True)) == [c.OK, 2]

    counts = log.machine.counts()
    assert (counts.groups, counts.processed_total, counts.is_paused, counts.sessions) == (0, 0, False, 1)
    assert log.machine.lock_holder("k") is None
    applied = log.enqueue("u")
    assert [given.ids for given in applied.assignments] == [["u"]]


def test_a_removed_queue_is_written_down_and_read_again() -> None:
    log = Log()
    log.enqueue("a", "b")
    scheduled(log, "s")
    log.say(ac.remove_queue(force=True))
    log.enqueue("c")

    again = restore("q", snapshot_sections(log.machine))

    assert again.digest() == log.machine.digest() == log.replayed().digest()


def test_what_makes_no_sense_is_rejected() -> None:
    log = Log()
    log.enqueue("a")

    commands: list[c.Command] = [
        [c.RUN_ALL, "pending", "", 1],
        [c.RUN_ALL, "retry", "", 0],
        [c.RUN_ALL, "retry", "", 65_537],
        [c.RUN_ALL, "retry", "group", 1],
        [c.RUN_ALL, "aggregating", "", 1],
        [c.ARCHIVE_ALL, "archived", "", 1],
        [c.DELETE_ALL, "active", "", 1],
        [c.DELETE_ALL, "pending", ""],
        [c.DELETE_ALL, ["pending"], "", 1],
        [c.REMOVE_QUEUE, 1],
        [c.REMOVE_QUEUE],
        [c.UPDATE_PAYLOAD, "a", "text"],
    ]
    for command in commands:
        assert log.say(command) == [c.REJECTED], command
    assert log.ids(TaskState.PENDING) == ["a"]
