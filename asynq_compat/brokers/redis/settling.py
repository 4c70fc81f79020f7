"""How do settlements become scripts, and answers outcomes?

Contract: pure but for the clock. Settlements of one queue and kind share a call, in the order given; kinds of different tasks may
change places, which nobody can see, since all have the same instant.
Not obvious: retries, error text and instants live inside the message, so RETRY, ARCHIVE and COMPLETE write it anew.
Source: docs/semantics.md, "settle operations".
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.redis.commands import Command, Refusal
from asynq_compat.brokers.redis.keys import queue_keys
from asynq_compat.brokers.redis.link import Exchange, Link
from asynq_compat.brokers.redis.refusals import refused
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.ports.consuming import SettleKind, Settlement, SettleOutcome
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.hot_record import hot_record
from asynq_compat.wire.message import amend_message, decode_message

_NS = 1_000_000_000
# Longer calls are slower a task: LREM scans the active list, and other clients wait.
_CALL_TASKS_MAX = 300
_DAY_COUNT_S = 90 * 86_400
ARCHIVE_S = 90 * 86_400
ARCHIVE_SIZE_MAX = 10_000
_TOTAL_COUNT_MAX = b"%d" % (2**63 - 1)
# Field 10, length-delimited: a message without this byte anywhere has no lock and need not be decoded.
_UNIQUE_KEY_TAG = 0x52
_OUTCOMES = {1: SettleOutcome.SETTLED, 0: SettleOutcome.NOT_HELD, -1: SettleOutcome.INCONSISTENT}


@hot_record
class SettleCall:
    """One script call and whose settlements it carries out."""

    command: Command
    indexes: list[int]


class Settling:
    """Plans calls and reads their answers."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock

    def settle(self, settlements: Sequence[Settlement]) -> Sequence[SettleOutcome]:
        """Carry out the settlements in one round trip, whoever holds the leases: one outcome each, same order."""
        outcomes = [SettleOutcome.NOT_HELD] * len(settlements)
        calls = self.plan(settlements, range(len(settlements)), outcomes)
        if calls:
            exchange = self._link.run([call.command for call in calls])
            self.read(calls, exchange, outcomes)
        return outcomes

    def plan(
        self, settlements: Sequence[Settlement], indexes: Sequence[int], outcomes: list[SettleOutcome]
    ) -> list[SettleCall]:
        """Return the calls for those at `indexes`; one whose message cannot be read is in none, its outcome is entered."""
        now_ns = self._clock.now_ns()
        groups: dict[tuple[str, SettleKind], tuple[list[int], list[bytes]]] = {}
        calls: list[SettleCall] = []
        seen: set[tuple[str, str]] = set()
        at: list[int] = []
        tasks: list[bytes] = []
        queue, kind = None, None
        for index in indexes:
            settlement = settlements[index]
            lease = settlement.lease
            identity = (lease.queue, lease.task_id)
            if identity in seen:  # The same task twice: what is planned so far goes first.
                calls += _close(groups, now_ns)
                seen.clear()
                kind = None
            seen.add(identity)
            try:
                arguments = _arguments(settlement, now_ns)
            except CorruptDataError:
                outcomes[index] = SettleOutcome.INCONSISTENT
                continue
            if settlement.kind is not kind or lease.queue != queue:
                queue, kind = lease.queue, settlement.kind
                at, tasks = groups.setdefault((queue, kind), ([], []))
            at.append(index)
            tasks += arguments
            if len(at) == _CALL_TASKS_MAX:
                calls.append(_call((queue, kind), *groups.pop((queue, kind)), now_ns))
                kind = None
        return calls + _close(groups, now_ns)

    def read(self, calls: Sequence[SettleCall], exchange: Exchange, outcomes: list[SettleOutcome]) -> None:
        """Enter the outcomes that the first answers, those to `calls`, tell. What a second sending finds settled was settled by the first.

        Raises:
            BrokerUnavailableError: Redis refused; all answers that came are entered.
        """
        failure: BrokerUnavailableError | None = None
        for at, (call, answer) in enumerate(zip(calls, exchange.answers, strict=False)):
            if isinstance(answer, Refusal):
                error = refused(self._link.address, answer)
                if isinstance(error, BrokerUnavailableError):
                    failure = error
                codes: Sequence[object] = [-1] * len(call.indexes)
            else:
                codes = answer if isinstance(answer, list) else [1] * len(call.indexes)
            for index, code in zip(call.indexes, codes, strict=True):
                assert isinstance(code, int)
                outcome = _OUTCOMES[code]
                is_done_before = at in exchange.resent and outcome is SettleOutcome.NOT_HELD
                outcomes[index] = SettleOutcome.SETTLED if is_done_before else outcome
        if failure is not None:
            raise failure


def _close(groups: dict[tuple[str, SettleKind], tuple[list[int], list[bytes]]], now_ns: int) -> list[SettleCall]:
    calls = [_call(group, at, tasks, now_ns) for group, (at, tasks) in groups.items()]
    groups.clear()
    return calls


def _call(group: tuple[str, SettleKind], indexes: list[int], tasks: list[bytes], now_ns: int) -> SettleCall:
    queue, kind = group
    keys, now_s = queue_keys(queue), now_ns // _NS
    held = [keys.active, keys.lease]
    counted = [keys.processed_on(now_s), keys.processed]
    failed = [keys.failed_on(now_s), keys.failed]
    limits = [keys.task_prefix, b"%d" % (now_s + _DAY_COUNT_S), _TOTAL_COUNT_MAX]
    match kind:
        case SettleKind.DONE:
            command = script("settle_done")([*held, *counted], [*limits, *tasks])
        case SettleKind.COMPLETE:
            command = script("settle_complete")([*held, *counted, keys.completed], [*limits, *tasks])
        case SettleKind.RETRY:
            command = script("settle_retry")([*held, *counted, *failed, keys.retry], [*limits, *tasks])
        case SettleKind.ARCHIVE:
            command = script("settle_archive")(
                [*held, *counted, *failed, keys.archived], [*limits, *archive_limits(now_s), *tasks]
            )
        case SettleKind.REQUEUE:
            command = script("settle_requeue")([*held, keys.pending], [keys.task_prefix, *tasks])
    return SettleCall(command, indexes)


def archive_limits(now_s: int) -> list[bytes]:
    """Return now, the instant before which archived tasks go, and how many stay: arguments of what archives."""
    return [b"%d" % now_s, b"%d" % (now_s - ARCHIVE_S), b"%d" % ARCHIVE_SIZE_MAX]


def _arguments(settlement: Settlement, now_ns: int) -> Sequence[bytes]:
    """Return the script's arguments for one task; CorruptDataError when its message cannot be read."""
    lease = settlement.lease
    task_id, encoded = lease.task_id.encode(), lease.message
    if settlement.kind is SettleKind.DONE:  # The ordinary case first: this runs once a task.
        return task_id, _lock(encoded) if _UNIQUE_KEY_TAG in encoded else b""
    now_s = now_ns // _NS
    match settlement.kind:
        case SettleKind.COMPLETE:
            message = decode_message(encoded)
            completed = amend_message(encoded, completed_at=now_s)
            return task_id, message.unique_key.encode(), completed, b"%d" % (now_s + message.retention)
        case SettleKind.RETRY:
            retried = decode_message(encoded).retried + 1 if settlement.is_failure else None
            failed = amend_message(encoded, retried=retried, error_msg=settlement.error_msg, last_failed_at=now_s)
            retry_at = (now_ns + int(settlement.delay_s * _NS)) // _NS
            return task_id, failed, b"%d" % retry_at, b"1" if settlement.is_failure else b"0"
        case SettleKind.ARCHIVE:
            return task_id, amend_message(encoded, error_msg=settlement.error_msg, last_failed_at=now_s)
        case SettleKind.REQUEUE:
            return (task_id,)


def _lock(encoded: bytes) -> bytes:
    return decode_message(encoded).unique_key.encode()
