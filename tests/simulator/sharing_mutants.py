"""Would the simulator notice servers that share out partitions wrongly, or a wrong control journal?

Contract: as `mutants`; these are changes to who follows which partition, to leaving, to the control journal and to what of a long backlog stands in
files. They are looked for where the queue has several partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from unittest.mock import patch

from asynq_compat.brokers.journal.attending import attendance, rendezvous
from asynq_compat.brokers.journal.attending.reseating import Reseating
from asynq_compat.brokers.journal.following import followed, spill
from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.session import Session
from asynq_compat.machine import session
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.control import ControlApplied, ControlMachine
from asynq_compat.machine.control.published import read_counts
from asynq_compat.machine.snapshot import restore_control
from asynq_compat.wire import command as c

_COUNTS, _SERVER = ControlMachine._TRANSITIONS[c.COUNTS], ControlMachine._TRANSITIONS[c.SERVER]
_put = spill.Spill.put
_append = spill._File.append


def _idle_though_it_runs(self: Session) -> bool:
    return not (self.ready_count or self.credit or self.frames_under_way)


def _favourite_only(server: str, servers: Collection[str], queue: str, partition_count: int) -> set[int]:
    del servers
    return {max(range(partition_count), key=lambda number: rendezvous._number(server, queue, number))}


def _closed_for_good(self: Partitions, partition: Partition) -> None:
    if not partition.is_in_use:
        partition.close()


def _for_a_day(self: ControlMachine, applied: ControlApplied, command: c.Command) -> Outcome | None:
    return _SERVER(self, applied, [*command[:4], 86_400])


def _stays(_self: ControlMachine, _applied: ControlApplied, _command: c.Command) -> Outcome | None:
    return 0


def _first_word_counts(self: ControlMachine, applied: ControlApplied, command: c.Command) -> Outcome | None:
    told = read_counts(command, 0)
    if told is not None and (told.queue, told.partition) in self.state.counts:
        return [c.REJECTED]
    return _COUNTS(self, applied, command)


def control_without(forget: Callable[[ControlMachine], None]) -> Callable[[Iterable[bytes]], ControlMachine]:
    """Return what loads a checkpoint of the control journal and forgets something."""

    def restored(sections: Iterable[bytes]) -> ControlMachine:
        machine = restore_control(sections)
        forget(machine)
        return machine

    return restored


def _put_backwards(self: spill.Spill, messages: list[bytes]) -> spill.SpilledMessages | None:
    return _put(self, messages[::-1])


def _append_at_the_start(self: spill._File, data: bytes) -> int:
    self.size_bytes = 0
    return _append(self, data)


SHARING_MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a session leaves though it runs a task": lambda: patch.object(Session, "is_idle", property(_idle_though_it_runs)),
    "who is the last leaves": lambda: patch.object(session, "_is_replaced", lambda *_: True),
    "nobody may leave": lambda: patch.object(session, "_is_replaced", lambda *_: False),
    "what others have left is not joined": lambda: patch.object(Reseating, "_join", lambda *_: None),
    "each server follows one partition": lambda: patch.object(attendance, "followed_by", _favourite_only),
    "a partition that was left stays closed": lambda: patch.object(Partitions, "let_go", _closed_for_good),
    "the dead are servers for a day": lambda: patch.dict(ControlMachine._TRANSITIONS, {c.SERVER: _for_a_day}),
    "who has gone is still a server": lambda: patch.dict(ControlMachine._TRANSITIONS, {c.SERVER_GONE: _stays}),
    "the first word on a partition counts": lambda: patch.dict(
        ControlMachine._TRANSITIONS, {c.COUNTS: _first_word_counts}
    ),
    "a control checkpoint forgets servers": lambda: patch.object(
        followed, "restore_control", control_without(lambda machine: machine.state.servers.clear())
    ),
    "a control checkpoint forgets queues": lambda: patch.object(
        followed, "restore_control", control_without(lambda machine: machine.state.queues.clear())
    ),
    "a control checkpoint forgets what was told": lambda: patch.object(
        followed, "restore_control", control_without(lambda machine: machine.state.counts.clear())
    ),
    "a control checkpoint forgets writers": lambda: patch.object(
        followed, "restore_control", control_without(lambda machine: machine.state.writers.known.clear())
    ),
    "messages come out of a file in another order": lambda: patch.object(spill.Spill, "put", _put_backwards),
    "messages in files overwrite each other": lambda: patch.object(spill._File, "append", _append_at_the_start),
}
