"""Does each task of a queue stand where it should, and nothing where no task is?

Contract: reads the queue's ids and the keys of its tasks in slices, so that Redis answers others in between; whatever looks wrong is looked at
again in one atomic step (`mend_task`), which also mends it. The memory needed is that of the ids, twice where something looks wrong.
Not obvious: Asynq leaves the hashes of what it cuts off a full archive: nothing names them any more, and nobody deletes them.
`mend_task` searches lists, so what only moved while it was looked for is sorted out before, by reading once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.diagnosing.node import NodeTalk, now_s
from asynq_compat.brokers.redis.keys import QueueKeys, queue_keys
from asynq_compat.brokers.redis.lease_term import LEASE_NS
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.ports.diagnosing import Finding, Severity
from asynq_compat.ports.history import Progress
from asynq_compat.rules.clock import Clock

_T = TypeVar("_T")

_SLICE = 1_000
_ODD = "odd"
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that can be wrong with a task's places.

    Attributes:
        word: The script's.
        check: The finding's.
        message: How many, as ``{count}``, and what it means.
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
        "active tasks without a lease: {count}; if their worker is gone nobody ever takes them up again",
        "give each a lease of 30 s: a worker that lives extends it, otherwise a server recovers the task",
    ),
    Fault(
        "lease_alone",
        "lease_without_active",
        Severity.WARNING,
        "leases of tasks that are not active: {count}; each server's recoverer stumbles over them every minute",
        "remove these leases",
    ),
    Fault(
        "ghost",
        "ghosts",
        Severity.PROBLEM,
        "ids in lists that have no task: {count}; their tasks were deleted or evicted by somebody else",
        "remove these ids from the lists",
    ),
    Fault(
        "stray",
        "strays",
        Severity.PROBLEM,
        "tasks that stand in no list: {count}; they will never run",
        "put them into the archive, from where `task run` brings them back; one without a message is deleted",
    ),
    Fault(
        "leftover",
        "archive_leftovers",
        Severity.WARNING,
        "tasks cut off the archive, which keeps 10 000: {count}; they still take memory and their ids",
        "delete them",
    ),
)


@dataclass(frozen=True, slots=True)
class _Places:
    """Which ids stand where.

    Attributes:
        named: In lists and sets, leases apart.
        unpaired: Active or leased, and not both.
    """

    named: set[bytes]
    unpaired: set[bytes]


class TaskDiagnosis:
    """Looks through queues."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def findings(self, queue: str, progress: Progress, node: NodeTalk | None) -> Iterator[Finding]:
        """Yield what is wrong with tasks of a queue; `node` has it: it is asked for tasks that no list names, too, unless it is None."""
        keys = queue_keys(queue)
        if odd := self._odd_containers(keys):
            yield odd_keys(odd, "no server can work on this queue, and its tasks are not looked at", queue)
            return
        suspects = self._suspects(keys, progress, node)
        found: dict[str, list[str]] = {word: [] for word in (_ODD, *(fault.word for fault in FAULTS))}
        for task_id, word in zip(suspects, self._look(queue, suspects), strict=True):
            if word:
                found[word].append(task_id)
        if odd := [keys.task(one) for one in found[_ODD]]:
            yield odd_keys(odd, "no task can have these ids, and one that a list names breaks who takes it", queue)
        for fault in FAULTS:
            if names := found[fault.word]:
                yield Finding(
                    check=fault.check,
                    severity=fault.severity,
                    message=fault.message.format(count=len(names)),
                    queue=queue,
                    names=tuple(names),
                    remedy=fault.remedy,
                )

    def repair(self, finding: Finding) -> int:
        """Mend what a finding names and that is still so; return how many."""
        word = next(fault.word for fault in FAULTS if fault.check == finding.check)
        until = now_s(self._link, queue_keys(finding.queue).pending, self._clock)
        return sum(seen == word for seen in self._look(finding.queue, finding.names, mends=word, at_s=until))

    def _look(self, queue: str, task_ids: Sequence[str], mends: str = "", at_s: int = 0) -> list[str]:
        keys = queue_keys(queue)
        places = [keys.pending, keys.active, keys.lease, keys.scheduled, keys.retry, keys.archived, keys.completed]
        times = [b"%d" % at_s, b"%d" % (at_s + LEASE_NS // _NS)]
        words = []
        for some in _slices(task_ids, 100):
            calls = [
                script("mend_task")(
                    [keys.task(one), *places, keys.groups, keys.aggregation_sets],
                    [one.encode(), keys.task_prefix, keys.group_prefix, mends.encode(), *times],
                )
                for one in some
            ]
            answers = self._link.run(calls).answers
            words += [_ODD if is_odd(one) else as_bytes(self._link.accept(one)).decode() for one in answers]
        return words

    def _suspects(self, keys: QueueKeys, progress: Progress, node: NodeTalk | None) -> list[str]:
        before = self._places(keys)
        missing = set(self._missing(keys, before.named, progress))
        unnamed = set(_unnamed(node, keys, before.named)) if node is not None else set()
        if not (missing or unnamed or before.unpaired):
            return []
        after = self._places(keys)
        suspects = missing & after.named | before.unpaired & after.unpaired
        suspects.update(self._existing(keys, unnamed - after.named))
        return sorted(one.decode() for one in suspects if _is_text(one))

    def _places(self, keys: QueueKeys) -> _Places:
        """Read in the order in which tasks go from place to place, so that few slip by."""
        named = set(self._ids(keys.scheduled, is_list=False))
        named.update(self._ids(keys.pending, is_list=True))
        active = set(self._ids(keys.active, is_list=True))
        leased = set(self._ids(keys.lease, is_list=False))
        named |= active
        for key in (*self._groups(keys), keys.retry, keys.archived, keys.completed):
            named.update(self._ids(key, is_list=False))
        return _Places(named, active ^ leased)

    def _odd_containers(self, keys: QueueKeys) -> list[bytes]:
        """Return those keys of lists and sets of a queue that hold something else."""
        sets = (keys.lease, keys.scheduled, keys.retry, keys.archived, keys.completed, keys.aggregation_sets)
        asked = {key: command(b"LLEN", key) for key in (keys.pending, keys.active)}
        asked |= {key: command(b"ZCARD", key) for key in sets}
        odd = self._odd({**asked, keys.groups: command(b"SISMEMBER", keys.groups, b"")})
        return odd or self._odd({key: command(b"ZCARD", key) for key in self._groups(keys)})

    def _odd(self, asked: Mapping[bytes, Command]) -> list[bytes]:
        answers = dict(zip(asked, self._link.run(list(asked.values())).answers, strict=True))
        odd = [key for key, answer in answers.items() if is_odd(answer)]
        for key in answers.keys() - odd:
            self._link.accept(answers[key])
        return odd

    def _groups(self, keys: QueueKeys) -> Iterator[bytes]:
        for name in as_list(self._link.ask(command(b"SMEMBERS", keys.groups))):
            yield keys.group_prefix + as_bytes(name)
        yield from map(as_bytes, as_list(self._link.ask(command(b"ZRANGE", keys.aggregation_sets, 0, -1))))

    def _ids(self, key: bytes, *, is_list: bool) -> Iterator[bytes]:
        """Yield what stands in a list or set, newest first where others add and remove meanwhile."""
        read = b"LRANGE" if is_list else b"ZREVRANGE"
        size = as_int(self._link.ask(command(b"LLEN" if is_list else b"ZCARD", key)))
        for start in range(0, size, _SLICE):
            yield from map(as_bytes, as_list(self._link.ask(command(read, key, start, start + _SLICE - 1))))

    def _missing(self, keys: QueueKeys, named: set[bytes], progress: Progress) -> Iterator[bytes]:
        """Yield ids without a task, or with something else in its place."""
        for number, some in enumerate(_slices(list(named), _SLICE)):
            progress(number * _SLICE, len(named))
            answers = self._link.run([command(b"HGET", keys.task_prefix + one, b"state") for one in some]).answers
            yield from (
                one for one, said in zip(some, answers, strict=True) if is_odd(said) or not self._link.accept(said)
            )

    def _existing(self, keys: QueueKeys, ids: set[bytes]) -> Iterator[bytes]:
        """Yield those of `ids` that have not gone meanwhile."""
        for some in _slices(list(ids), _SLICE):
            answers = self._link.run([command(b"EXISTS", keys.task_prefix + one) for one in some]).answers
            yield from (one for one, answer in zip(some, answers, strict=True) if self._link.accept(answer))


def is_odd(answer: Answer) -> bool:
    """Return True where a key holds something that Asynq does not keep there."""
    return isinstance(answer, Refusal) and (answer.code == "WRONGTYPE" or "WRONGTYPE" in answer.text)


def odd_keys(keys: Sequence[bytes], effect: str, queue: str = "") -> Finding:
    """Return the finding about `keys` that hold something else."""
    return Finding(
        check="odd_keys",
        severity=Severity.PROBLEM,
        message=f"keys that do not hold what Asynq keeps there: {len(keys)}; {effect}; look with TYPE, then RENAME or DEL",
        queue=queue,
        names=tuple(key.decode(errors="replace") for key in keys),
    )


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
