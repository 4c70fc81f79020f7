"""How do tasks get into Redis?

Contract: the transition `enqueue`, several hundred tasks a script call, many calls a round trip. ``asynq:queues`` hears of a queue once
per broker object, before its first task, as with Asynq's client.
Not obvious: when an answer was lost the batch is sent again, and the second run finds the first one's tasks. Such a conflict counts
as enqueued if the id was made for this request, or if the stored message is the very same; a lock, if it holds this task's id.
Another client's identical task under a chosen id is then taken for ours: it is there, which is what was asked for.
Source: docs/semantics.md, "enqueue family", trap P13.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, command
from asynq_compat.brokers.redis.keys import QUEUES, QueueKeys, queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.brokers.redis.refusals import refused
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.sizes import VALUE_BYTES_MAX, too_large
from asynq_compat.errors import AsynqError, BrokerUnavailableError, InvalidArgumentError
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.hot_record import hot_record

# Measured: 500 tasks a call are fastest; a call's bytes stay well below Redis's query buffer of 1 GiB.
_CALL_TASKS_MAX = 500
_CALL_BYTES_MAX = 4_000_000
_ROUND_TRIP_CALLS_MAX = 8
STATUSES = {1: EnqueueStatus.ENQUEUED, 0: EnqueueStatus.ID_CONFLICT, -1: EnqueueStatus.DUPLICATE}
_PENDING, _SCHEDULED, _GROUPED, _UNIQUE = 0, 1, 2, 4


@hot_record
class _Call:
    """One script call: the requests of one queue at `indexes`."""

    keys: QueueKeys
    indexes: list[int]


class RedisProducing:
    """The producing port. Thread-safe."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        # Replaced, never changed: a queue that is announced twice does no harm, and a lock might be held in a forked child.
        self._announced: frozenset[str] = frozenset()

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> Sequence[EnqueueOutcome]:
        """Store each request or say why not: one outcome per request, same order."""
        outcomes: list[EnqueueOutcome] = [EnqueueStatus.ENQUEUED] * len(requests)
        calls = list(self._calls(requests, outcomes))
        for start in range(0, len(calls), _ROUND_TRIP_CALLS_MAX):
            batch = calls[start : start + _ROUND_TRIP_CALLS_MAX]
            try:
                self.announce(call.keys.name for call in batch)
                self._run(batch, requests, outcomes)
            except AsynqError as error:
                for index in (index for call in batch for index in call.indexes):
                    outcomes[index] = error
        outages = [outcome for outcome in outcomes if isinstance(outcome, BrokerUnavailableError)]
        if outages and len(outages) == len(outcomes):
            raise next((outage for outage in outages if outage.may_have_happened), outages[0])
        return outcomes

    def forget(self, queue: str) -> None:
        """Announce a queue again before its next task: it has been removed."""
        self._announced -= {queue}

    def announce(self, queues: Iterable[str]) -> None:
        """Make sure that these queues are known."""
        for queue in sorted(set(queues) - self._announced):
            self._link.ask(command(b"SADD", QUEUES, queue.encode()))
            self._announced |= {queue}

    def _calls(self, requests: Sequence[EnqueueRequest], outcomes: list[EnqueueOutcome]) -> Iterator[_Call]:
        """Yield script calls; refuse in `outcomes` what no script could store."""
        by_queue: dict[str, list[int]] = {}
        for index, request in enumerate(requests):
            by_queue.setdefault(request.queue, []).append(index)
        for queue, indexes in by_queue.items():
            call, size_bytes = _Call(queue_keys(queue), []), 0
            for index in indexes:
                request = requests[index]
                if request.unique_key and request.unique_ttl_s < 1:
                    outcomes[index] = InvalidArgumentError(
                        f"unique_ttl_s must be at least 1 for a unique task, got {request.unique_ttl_s}"
                    )
                    continue
                if len(request.message) > VALUE_BYTES_MAX and (
                    refusal := too_large(self._link, "the task", len(request.message))
                ):
                    outcomes[index] = refusal
                    continue
                if len(call.indexes) == _CALL_TASKS_MAX or size_bytes > _CALL_BYTES_MAX:
                    yield call
                    call, size_bytes = _Call(call.keys, []), 0
                call.indexes.append(index)
                size_bytes += len(request.message)
            if call.indexes:
                yield call

    def _run(self, calls: Sequence[_Call], requests: Sequence[EnqueueRequest], outcomes: list[EnqueueOutcome]) -> None:
        exchange = self._link.run([self._command(call, requests) for call in calls])
        for at, (call, answer) in enumerate(zip(calls, exchange.answers, strict=True)):
            found = self._outcomes(answer, len(call.indexes))
            for index, outcome in zip(call.indexes, found, strict=True):
                if (
                    outcome is not EnqueueStatus.ENQUEUED
                    and at in exchange.resent
                    and self._is_ours(requests[index], outcome)
                ):
                    outcome = EnqueueStatus.ENQUEUED
                outcomes[index] = outcome

    def _command(self, call: _Call, requests: Sequence[EnqueueRequest]) -> Command:
        keys, now_ns = call.keys, self._clock.now_ns()

        def arguments() -> list[bytes]:
            tasks = [keys.task_prefix, keys.group_prefix, b"%d" % now_ns, b"%d" % (now_ns // 1_000_000_000)]
            for index in call.indexes:
                add_task(requests[index], tasks)
            return tasks

        return script("enqueue").later([keys.pending, keys.scheduled, keys.groups], arguments)

    def _outcomes(self, answer: Answer, count: int) -> Sequence[EnqueueOutcome]:
        if isinstance(answer, Refusal):
            return [refused(self._link.address, answer)] * count
        if isinstance(answer, list):
            return [STATUSES[code] for code in answer if isinstance(code, int)]
        return [EnqueueStatus.ENQUEUED] * count

    def _is_ours(self, request: EnqueueRequest, outcome: EnqueueOutcome) -> bool:
        if isinstance(outcome, AsynqError):
            return False
        task = queue_keys(request.queue).task(request.task_id)
        if outcome is EnqueueStatus.DUPLICATE:
            holder = self._link.ask(command(b"GET", request.unique_key.encode()))
            if holder != request.task_id.encode():
                return False
        return not request.has_chosen_id or self._link.ask(command(b"HGET", task, b"msg")) == request.message


def add_task(request: EnqueueRequest, tasks: list[bytes]) -> None:
    """Append a script's arguments for one request."""
    if request.process_at is None and not request.unique_key and not request.group:
        tasks += (b"0", request.task_id.encode(), request.message)
        return
    kind = _SCHEDULED if request.process_at is not None else _GROUPED if request.group else _PENDING
    tasks += (
        b"%d" % (kind + (_UNIQUE if request.unique_key else 0)),
        request.task_id.encode(),
        request.message,
    )
    if request.process_at is not None:
        tasks.append(b"%d" % request.process_at)
    elif request.group:
        tasks.append(request.group.encode())
    if request.unique_key:
        tasks += (request.unique_key.encode(), b"%d" % request.unique_ttl_s)
