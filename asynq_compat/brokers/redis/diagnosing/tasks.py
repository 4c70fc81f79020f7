"""Does each task of a queue stand where it should, and nothing where no task is?

Contract: reads the queue's ids and the keys of its tasks in slices, so that Redis answers others in between; whatever looks wrong is looked at
again in one atomic step (`mend_task`), which also mends it. The memory needed is that of the ids.
Not obvious: Asynq leaves the hashes of what it cuts off a full archive: nothing names them any more, and nobody deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from asynq_compat.brokers.redis.commands import as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.diagnosing.node import NodeTalk
from asynq_compat.brokers.redis.keys import QueueKeys, queue_keys
from asynq_compat.brokers.redis.lease_term import LEASE_NS
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.ports.diagnosing import Finding, Severity
from asynq_compat.ports.history import Progress
from asynq_compat.rules.clock import Clock

_T = TypeVar("_T")

_SLICE = 1_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can be wrong with a task's places.

    Attributes:
        word: The script's.
        check: The finding's.
        message: What it means, behind the number of tasks.
        remedy: What is done about it.
    """

    word: str
    check: str
    severity: Severity
    message: str
    remedy: str


FAULTS = (
    Fault(
        "no_lease",
        "active_without_lease",
        Severity.PROBLEM,
        "active tasks have no lease: if their worker is gone nobody ever takes them up again",
        "give each a lease of 30 s: a worker that lives extends it, otherwise a server recovers the task",
    ),
    Fault(
        "lease_alone",
        "lease_without_active",
        Severity.WARNING,
        "leases are of tasks that are not active: each server's recoverer stumbles over them every minute",
        "remove these leases",
    ),
    Fault(
        "ghost",
        "ghosts",
        Severity.PROBLEM,
        "ids stand in lists and no task is there: their tasks were deleted or evicted by somebody else",
        "remove these ids from the lists",
    ),
    Fault(
        "stray",
        "strays",
        Severity.PROBLEM,
        "tasks stand in no list: they will never run",
        "put them into the archive, from where `task run` brings them back; one without a message is deleted",
    ),
    Fault(
        "leftover",
        "archive_leftovers",
        Severity.WARNING,
        "tasks were cut off the archive, which keeps 10 000, and still take memory and their ids",
        "delete them",
    ),
)


class TaskDiagnosis:
    """Looks through queues."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def findings(self, queue: str, progress: Progress, node: NodeTalk | None) -> Iterator[Finding]:
        """Yield what is wrong with tasks of a queue; `node` has it: it is asked for tasks that no list names, too, unless it is None."""
        suspects = self._suspects(queue_keys(queue), progress, node)
        found: dict[str, list[str]] = {fault.word: [] for fault in FAULTS}
        for task_id, word in zip(suspects, self._look(queue, suspects), strict=True):
            if word:
                found[word].append(task_id)
        for fault in FAULTS:
            if names := found[fault.word]:
                yield Finding(
                    check=fault.check,
                    severity=fault.severity,
                    message=f"{len(names)} {fault.message}",
                    queue=queue,
                    names=tuple(names),
                    remedy=fault.remedy,
                )

    def repair(self, finding: Finding) -> int:
        """Mend what a finding names and that is still so; return how many."""
        word = next(fault.word for fault in FAULTS if fault.check == finding.check)
        return sum(seen == word for seen in self._look(finding.queue, finding.names, mends=word))

    def _look(self, queue: str, task_ids: Sequence[str], mends: str = "") -> list[str]:
        keys, now_s = queue_keys(queue), self._clock.now_ns() // _NS
        places = [keys.pending, keys.active, keys.lease, keys.scheduled, keys.retry, keys.archived, keys.completed]
        times = [b"%d" % now_s, b"%d" % (now_s + LEASE_NS // _NS)]
        words = []
        for some in _slices(task_ids, 100):
            calls = [
                script("mend_task")(
                    [keys.task(one), *places, keys.groups, keys.prefix + b"aggregation_sets"],
                    [one.encode(), keys.group_prefix, mends.encode(), *times],
                )
                for one in some
            ]
            words += [as_bytes(self._link.accept(answer)).decode() for answer in self._link.run(calls).answers]
        return words

    def _suspects(self, keys: QueueKeys, progress: Progress, node: NodeTalk | None) -> list[str]:
        lists = {key: set(self._ids(key, is_list=True)) for key in (keys.pending, keys.active)}
        leases = set(self._ids(keys.lease, is_list=False))
        named = set().union(*lists.values())
        for key in (keys.scheduled, keys.retry, keys.archived, keys.completed, *self._groups(keys)):
            named.update(self._ids(key, is_list=False))
        suspects = lists[keys.active] ^ leases
        suspects.update(self._missing(keys, named, progress))
        if node is not None:
            suspects.update(_unnamed(node, keys, named))
        return sorted(one.decode() for one in suspects if _is_text(one))

    def _groups(self, keys: QueueKeys) -> Iterator[bytes]:
        for name in as_list(self._link.ask(command(b"SMEMBERS", keys.groups))):
            yield keys.group_prefix + as_bytes(name)
        yield from map(as_bytes, as_list(self._link.ask(command(b"ZRANGE", keys.prefix + b"aggregation_sets", 0, -1))))

    def _ids(self, key: bytes, *, is_list: bool) -> Iterator[bytes]:
        """Yield what stands in a list or set, newest first where others add and remove meanwhile."""
        read = b"LRANGE" if is_list else b"ZRANGE"
        size = as_int(self._link.ask(command(b"LLEN" if is_list else b"ZCARD", key)))
        for start in range(0, size, _SLICE):
            yield from map(as_bytes, as_list(self._link.ask(command(read, key, start, start + _SLICE - 1))))

    def _missing(self, keys: QueueKeys, named: set[bytes], progress: Progress) -> Iterator[bytes]:
        """Yield ids without a task."""
        for number, some in enumerate(_slices(list(named), _SLICE)):
            progress(number * _SLICE, len(named))
            answers = self._link.run([command(b"EXISTS", keys.task_prefix + one) for one in some]).answers
            yield from (one for one, answer in zip(some, answers, strict=True) if not self._link.accept(answer))


def _unnamed(node: NodeTalk, keys: QueueKeys, named: set[bytes]) -> Iterator[bytes]:
    """Yield ids of tasks that nothing names."""
    escaped = (b"\\" + bytes([byte]) if byte in b"*?[]^\\" else bytes([byte]) for byte in keys.task_prefix)
    pattern = b"".join(escaped) + b"*"
    cursor = b"0"
    while True:
        answer = as_list(node.ask(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _SLICE))
        for key in map(as_bytes, as_list(answer[1])):
            if (one := key.removeprefix(keys.task_prefix)) not in named:
                yield one
        cursor = as_bytes(answer[0])
        if cursor == b"0":
            return


def _slices(all_of_them: Sequence[_T], size: int) -> Iterable[Sequence[_T]]:
    return (all_of_them[start : start + size] for start in range(0, len(all_of_them), size))


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
