"""Which commands settle a batch of leases, and what do their outcomes mean for each?

Contract: pure. All settlements of one call belong to one session. Tasks that ended alike and lie side by side in an assignment
become one range; what differs is named one by one.
Not obvious: a lease that is requeued without having started is handed back to its old place instead, so that it keeps its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.settle import RETENTION_S_MAX
from asynq_compat.ports.consuming import Ended, Lease, SettleKind, Settlement, SettleOutcome, are_leases, settlement_of
from asynq_compat.wire import command
from asynq_compat.wire.command import Command, Range
from asynq_compat.wire.message import TaskMessage, decode_message

# A frame holds 16 MB; the text of one error, in whatever alphabet, must leave room.
_ERROR_TEXT_MAX_CHARS = 1_000_000


@dataclass(slots=True)
class SettlePlan:
    """Commands, for each its items as settlement numbers, and what all of them settle.

    Attributes:
        told: The leases whose end a settlement tells, not the bare lease: some may never have started.
    """

    commands: list[Command] = field(default_factory=list)
    members: list[list[Sequence[int]]] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    told: list[Lease] = field(default_factory=list)
    size_bytes: int = 0


def plan(ended: Sequence[Ended], numbers: Sequence[int]) -> SettlePlan:
    """Return the commands that carry out the settlements with these `numbers`."""
    result = SettlePlan()
    if are_leases(ended):  # Nearly always.
        _add_ranges(result, command.settle_done, ended, numbers)
        return result
    settlements = [settlement_of(one) for one in ended]
    leases = [one.lease for one in settlements]
    result.told = [leases[number] for number in numbers if isinstance(ended[number], Settlement)]
    by_kind: dict[SettleKind, list[int]] = {}
    last_kind, of_kind = None, list[int]()
    for number in numbers:
        kind = settlements[number].kind
        if kind is not last_kind:  # An enum's hash is a call; most are as the one before.
            last_kind, of_kind = kind, by_kind.setdefault(kind, [])
        of_kind.append(number)
    if done := by_kind.pop(SettleKind.DONE, None):
        _add_ranges(result, command.settle_done, leases, done)
    for kind, of_kind in by_kind.items():
        _ADD[kind](result, settlements, of_kind)
    return result


def outcomes_of(settle_plan: SettlePlan, outcomes: Sequence[Outcome], results: list[SettleOutcome]) -> None:
    """Write into `results`, by number, what the outcomes of the plan's commands say; it starts as all SETTLED."""
    for outcome, items in zip(outcomes, settle_plan.members, strict=True):
        if outcome == command.OK:
            continue
        codes = outcome if isinstance(outcome, list) and len(outcome) == len(items) else [command.REJECTED] * len(items)
        for code, numbers in zip(codes, items, strict=True):
            each = code if isinstance(code, list) else [code] * len(numbers)
            for one, number in zip(each, numbers, strict=True):
                if one != command.OK:
                    results[number] = SettleOutcome.INCONSISTENT if one == command.REJECTED else SettleOutcome.NOT_HELD


def merge(leases: Sequence[Lease], numbers: Sequence[int]) -> tuple[list[Range], list[Sequence[int]]]:
    """Join what lies side by side: the ranges, and the settlement numbers of each."""
    ranges, members = _joined(leases, numbers)
    if all(before < after for before, after in pairwise(ranges)):
        return ranges, members
    places = {n: (leases[n].position, leases[n].index) for n in numbers}
    return _joined(leases, sorted(numbers, key=places.__getitem__))


def _joined(leases: Sequence[Lease], numbers: Sequence[int]) -> tuple[list[Range], list[Sequence[int]]]:
    """Join neighbours that come one behind the other, as they do where tasks end in their order."""
    ranges: list[Range] = []
    members: list[Sequence[int]] = []
    current, low, high, first = -1, 0, 0, 0
    for at, number in enumerate(numbers):
        lease = leases[number]
        if lease.index == high and lease.position == current:
            high += 1
            continue
        if at:
            ranges.append((current, low, high))
            members.append(numbers[first:at])
        current, low, high, first = lease.position, lease.index, lease.index + 1, at
    if numbers:
        ranges.append((current, low, high))
        members.append(numbers[first:])
    return ranges, members


def _add_ranges(
    result: SettlePlan,
    build: Callable[[Sequence[Range]], Command],
    leases: Sequence[Lease],
    numbers: Sequence[int],
) -> None:
    ranges, members = merge(leases, numbers)
    result.commands.append(build(ranges))
    result.members.append(members)
    result.ranges += ranges
    result.size_bytes += 8 + 12 * len(ranges)


def _add_complete(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    leases = [one.lease for one in settlements]
    by_retention: dict[int, list[int]] = {}
    for number in numbers:
        retention_s = settlements[number].retention_s or read(leases[number].message).retention
        by_retention.setdefault(retention_s, []).append(number)
    kept = []
    all_members: list[Sequence[int]] = []
    for retention, alike in by_retention.items():
        retention_s = min(max(1, retention), RETENTION_S_MAX)
        ranges, members = merge(leases, alike)
        kept += [(position, low, high, retention_s) for position, low, high in ranges]
        all_members += members
        result.ranges += ranges
    result.commands.append(command.settle_complete(kept))
    result.members.append(all_members)
    result.size_bytes += 8 + 17 * len(kept)


def _add_retry(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    retries = []
    for number in numbers:
        one = settlements[number]
        text = one.error_msg[:_ERROR_TEXT_MAX_CHARS]
        retries.append((one.lease.position, one.lease.index, delay_ms(one), text, new_retried(one)))
        result.size_bytes += 32 + 3 * len(text)
    _add_singly(result, command.settle_retry(retries), settlements, numbers)


def _add_archive(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    archivings = []
    for number in numbers:
        one = settlements[number]
        text = one.error_msg[:_ERROR_TEXT_MAX_CHARS]
        archivings.append((one.lease.position, one.lease.index, text))
        result.size_bytes += 24 + 3 * len(text)
    _add_singly(result, command.settle_archive(archivings), settlements, numbers)


def _add_singly(result: SettlePlan, one: Command, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    result.commands.append(one)
    result.members.append([[n] for n in numbers])
    leases = [settlements[n].lease for n in numbers]
    result.ranges += [(lease.position, lease.index, lease.index + 1) for lease in leases]


def _add_requeue(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    leases = [one.lease for one in settlements]
    started = [n for n in numbers if leases[n].has_started]
    unstarted = [n for n in numbers if not leases[n].has_started]
    if started:
        _add_ranges(result, command.settle_requeue, leases, started)
    if unstarted:
        _add_ranges(result, command.hand_back, leases, unstarted)


_ADD: dict[SettleKind, Callable[[SettlePlan, Sequence[Settlement], list[int]], None]] = {
    SettleKind.COMPLETE: _add_complete,
    SettleKind.RETRY: _add_retry,
    SettleKind.ARCHIVE: _add_archive,
    SettleKind.REQUEUE: _add_requeue,
}


def delay_ms(settlement: Settlement) -> int:
    """Return the wait before the next attempt in milliseconds, at least 0."""
    return max(0, round(settlement.delay_s * 1000))


def new_retried(settlement: Settlement) -> int | None:
    """Return the retry count after this failure; None when it does not count."""
    return read(settlement.lease.message).retried + 1 if settlement.is_failure else None


def read(message: bytes) -> TaskMessage:
    """Return what is in a message; an empty one when it cannot be read, so that it can be settled all the same."""
    try:
        return decode_message(message)
    except ValueError:
        return TaskMessage()
