"""What can be read about queues and tasks in Redis?

Contract: the questions `queue_stats`, `memory_usage`, `task`, `list_tasks`, `list_groups`, `history`, `servers`; nothing changes. Thread-safe.
Not obvious: an id that a list names and that has no task is listed as an empty message, as in Asynq; unlike Asynq it does not make
`queue_stats` fail.
Source: docs/semantics.md, "inspector reads".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, Reply, as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.keys import QUEUES, SERVERS, WORKERS, QueueKeys, queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.errors import CorruptDataError, UnsupportedByBroker
from asynq_compat.ports.inspecting import DayCounts, Missing, QueueInfo, RunningServer, StoredTask
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.server_info import WorkerInfo, decode_server_info, decode_worker_info

_T = TypeVar("_T")

_DAY_S = 86_400
_NS = 1_000_000_000
_TASK_SAMPLE_MAX, _GROUP_SAMPLE_MAX = b"20", b"5"


class RedisInspecting:
    """The inspecting port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def queues(self) -> Sequence[str]:
        """Return the names of all known queues, sorted."""
        names = as_list(self._link.ask(command(b"SMEMBERS", QUEUES)))
        return sorted(as_bytes(name).decode("utf-8", "replace") for name in names)

    def queue_stats(self, queue: str) -> QueueInfo | None:
        """Return the counts of `queue`; None when there is no such queue."""
        keys, now_ns = queue_keys(queue), self._clock.now_ns()
        answers = self._ask_known(keys, [_stats(keys, now_ns // _NS), _memory_usage(keys)])
        if answers is None:
            return None
        counts = [_count(value) for value in as_list(answers[0])]
        since_ns = counts[11]
        return QueueInfo(
            queue=queue,
            memory_usage=as_int(answers[1]),
            latency=timedelta(microseconds=(now_ns - since_ns) // 1_000 if since_ns else 0),
            groups=counts[12],
            pending=counts[0],
            active=counts[1],
            scheduled=counts[2],
            retry=counts[3],
            archived=counts[4],
            completed=counts[5],
            aggregating=counts[13],
            processed=counts[6],
            failed=counts[7],
            processed_total=counts[8],
            failed_total=counts[9],
            paused=bool(counts[10]),
            timestamp=instant_of(now_ns),
        )

    def task(self, queue: str, task_id: str) -> StoredTask | Missing:
        """Return one task, or what is missing."""
        keys = queue_keys(queue)
        question = script("task")([keys.task(task_id), keys.scheduled, keys.retry], [task_id.encode()])
        answers = self._ask_known(keys, [question])
        if answers is None:
            return Missing.QUEUE
        parts = as_list(answers[0])
        if not parts:
            return Missing.TASK
        message, word, due, result = (part if isinstance(part, bytes) else b"" for part in parts)
        try:
            state = TaskState.parse(word.decode())
        except ValueError as error:
            where = keys.task(task_id).decode()
            raise CorruptDataError(f"{where} has no known state but {word.decode(errors='replace')!r}") from error
        return StoredTask(
            message=message,
            state=state,
            next_process_at=self._clock.now_ns() // _NS if state is TaskState.PENDING else _second(due),
            result=result or None,
        )

    def list_tasks(self, queue: str, state: TaskState, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks in `state`; see the port."""
        if state is TaskState.AGGREGATING:
            raise UnsupportedByBroker("aggregating tasks are listed by group, not by state")
        keys = queue_keys(queue)
        return self._listed(keys, state, keys.prefix + str(state).encode(), start, count)

    def groups(self, queue: str) -> Sequence[tuple[str, int]]:
        """Return the groups that are announced, with their sizes."""
        keys = queue_keys(queue)
        parts = as_list(self._link.ask(script("list_groups")([keys.groups], [keys.group_prefix])))
        names = [as_bytes(name).decode("utf-8", "replace") for name in parts[::2]]
        return sorted(zip(names, map(as_int, parts[1::2]), strict=True))

    def list_group(self, queue: str, group: str, *, start: int, count: int | None) -> Sequence[StoredTask] | None:
        """Return tasks that wait in a group; see the port."""
        keys = queue_keys(queue)
        return self._listed(keys, TaskState.AGGREGATING, keys.group(group), start, count)

    def _listed(
        self, keys: QueueKeys, state: TaskState, place: bytes, start: int, count: int | None
    ) -> Sequence[StoredTask] | None:
        now_s = self._clock.now_ns() // _NS
        questions = [_page(keys, state, place, start, count)]
        if state is TaskState.ACTIVE:
            questions.append(script("expired_leases")([keys.lease], [keys.task_prefix, b"%d" % now_s]))
        answers = self._ask_known(keys, questions)
        if answers is None:
            return None
        if count == 0:
            return ()
        orphans = set(map(bytes, map(as_bytes, as_list(answers[1])[::2]))) if state is TaskState.ACTIVE else set()
        parts = as_list(answers[0])
        found = []
        for task_id, message, result, score in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True):
            is_due_known = state in (TaskState.SCHEDULED, TaskState.RETRY) and isinstance(score, bytes)
            found.append(
                StoredTask(
                    message=message if isinstance(message, bytes) else b"",
                    state=state,
                    next_process_at=now_s if state is TaskState.PENDING else _second(score) if is_due_known else None,
                    result=result if isinstance(result, bytes) and result else None,
                    is_orphaned=task_id in orphans,
                )
            )
        # Lists are asked from their right end, where the next one is.
        return found[::-1] if state in (TaskState.PENDING, TaskState.ACTIVE) else found

    def history(self, queue: str, days: int) -> Sequence[DayCounts] | None:
        """Return the counts of the last `days` days, today first; see the port."""
        keys, now_ns = queue_keys(queue), self._clock.now_ns()
        seconds = [now_ns // _NS - _DAY_S * back for back in range(days)]
        counters = [key for at_s in seconds for key in (keys.processed_on(at_s), keys.failed_on(at_s))]
        answers = self._ask_known(keys, [command(b"MGET", *counters)])
        if answers is None:
            return None
        counts = [_count(value) for value in as_list(answers[0])]
        return [
            DayCounts(instant_of(now_ns - _DAY_S * _NS * back), processed, failed)
            for back, (processed, failed) in enumerate(zip(counts[::2], counts[1::2], strict=True))
        ]

    def servers(self) -> Sequence[RunningServer]:
        """Return the servers whose word still holds; those whose word does not are forgotten, as by Asynq."""
        now_s = self._clock.now_ns() // _NS
        indexes = [command(b"ZRANGEBYSCORE", index, now_s, b"+inf") for index in (SERVERS, WORKERS)]
        stale = [command(b"ZREMRANGEBYSCORE", index, b"-inf", now_s - 1) for index in (SERVERS, WORKERS)]
        answers = self._link.run([*indexes, *stale]).answers
        servers, running = (list(map(as_bytes, as_list(self._link.accept(answer)))) for answer in answers[:2])
        questions = [*(command(b"GET", key) for key in servers), *(command(b"HVALS", key) for key in running)]
        told = self._link.run(questions).answers if questions else []
        # In the order of their ends: of two words with one id the later holds, as in Go.
        infos = {info.server_id: info for info in _readable(decode_server_info, told[: len(servers)])}
        workers: dict[str, list[WorkerInfo]] = {server_id: [] for server_id in infos}
        for values in told[len(servers) :]:
            for worker in _readable(decode_worker_info, values if isinstance(values, list) else []):
                workers.get(worker.server_id, []).append(worker)
        by_name = sorted(infos.values(), key=lambda info: (info.host, info.pid, info.server_id))
        return [RunningServer(info, workers[info.server_id]) for info in by_name]

    def key_slot(self, queue: str) -> int:
        """Return the slot of a cluster that the queue's keys hash to."""
        return as_int(self._ask_cluster(b"KEYSLOT", queue_keys(queue).pending))

    def nodes(self, queue: str) -> Sequence[tuple[str, str]]:
        """Return id and address of each node of the queue's slot, its primary first."""
        slot = self.key_slot(queue)
        for first, last, *nodes in map(as_list, as_list(self._ask_cluster(b"SLOTS"))):
            if as_int(first) <= slot <= as_int(last):
                return [_node(as_list(node)) for node in nodes]
        return []

    def _ask_cluster(self, *question: bytes) -> Reply:
        (answer,) = self._link.run([command(b"CLUSTER", *question)]).answers
        if isinstance(answer, Refusal) and "cluster support disabled" in answer.text:
            raise UnsupportedByBroker("ERR This instance has cluster support disabled")
        return self._link.accept(answer)

    def _ask_known(self, keys: QueueKeys, questions: Sequence[Command]) -> list[Reply] | None:
        """Return the answers; None when the queue is not known."""
        is_known = command(b"SISMEMBER", QUEUES, keys.name.encode())
        answers: list[Answer] = self._link.run([is_known, *questions]).answers
        if not self._link.accept(answers[0]):
            return None
        return [self._link.accept(answer) for answer in answers[1:]]


def _stats(keys: QueueKeys, now_s: int) -> Command:
    places = [keys.pending, keys.active, keys.scheduled, keys.retry, keys.archived, keys.completed]
    counters = [keys.processed_on(now_s), keys.failed_on(now_s), keys.processed, keys.failed]
    return script("queue_stats")([*places, *counters, keys.paused, keys.groups], [keys.task_prefix, keys.group_prefix])


def _memory_usage(keys: QueueKeys) -> Command:
    places = [keys.active, keys.pending, keys.scheduled, keys.retry, keys.archived, keys.completed, keys.groups]
    limits = [keys.task_prefix, keys.group_prefix, _TASK_SAMPLE_MAX, _GROUP_SAMPLE_MAX]
    return script("memory_usage")(places, limits)


def _page(keys: QueueKeys, state: TaskState, place: bytes, start: int, count: int | None) -> Command:
    if state in (TaskState.PENDING, TaskState.ACTIVE):
        first, last, is_list = 0 if count is None else -(start + count), -(start + 1), b"1"
    else:
        first, last, is_list = start, -1 if count is None else start + count - 1, b"0"
    return script("list_tasks")([place], [keys.task_prefix, b"%d" % first, b"%d" % last, is_list])


def _count(value: Reply) -> int:
    """Return a size or a counter's text; a missing one is 0."""
    return int(value) if isinstance(value, int | bytes) else 0


def _second(score: Reply) -> int | None:
    """Return a score as Unix second; a missing one is None."""
    return int(float(score)) if isinstance(score, bytes) and score else None


def _readable(decode: Callable[[bytes], _T], values: Sequence[Answer]) -> Iterator[_T]:
    """Yield what can be read of what servers told."""
    for value in values:
        if isinstance(value, bytes):
            try:
                yield decode(value)
            except CorruptDataError:
                continue


def _node(node: Sequence[Reply]) -> tuple[str, str]:
    """Return id and address of one node of a slot: host, port, id."""
    host, port, node_id = node[0], as_int(node[1]), node[2]
    name = host.decode() if isinstance(host, bytes) else ""
    address = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return (as_bytes(node_id).decode(), address)
