"""Who settles the tasks of servers that are gone?

Contract: as `ports.maintaining`. Time passes inside the machine, so that only orphans are left to do: each server answers for those of
its rank, the keeper at once, rank r for those older than r x 30 s.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.brokers.journal.aggregating import JournalAggregating
from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.settling import delay_ms, new_retried
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.ports.consuming import Lease, SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.producing import Producing
from asynq_compat.wire import command
from asynq_compat.wire.command import Command


class OrphanTerm:
    """Nobody works on the task: settling it is open to whoever is first."""

    __slots__ = ("partition", "session")

    def __init__(self, partition: Partition, session: int) -> None:
        self.partition = partition
        self.session = session

    def is_valid(self) -> bool:
        """Return True: the journal decides who was first."""
        return True


class JournalMaintaining(JournalAggregating):
    """The maintaining port over journals."""

    def __init__(self, partitions: Partitions, producing: Producing) -> None:
        super().__init__(partitions, producing)

    def forward_due(self, queues: Sequence[str]) -> int:  # noqa: ARG002 - the port's
        """Return 0: the machine forwards what is due by itself."""
        return 0

    def delete_expired_completed(self, queues: Sequence[str], batch_size: int) -> int:  # noqa: ARG002 - the port's
        """Return 0: the machine deletes them by itself."""
        return 0

    def reclaim_sets(self, queues: Sequence[str]) -> int:  # noqa: ARG002 - the port's
        """Return 0: the machine reclaims them by itself."""
        return 0

    def expired_leases(self, queues: Sequence[str]) -> Sequence[Lease]:
        """Return the orphans that this process should settle now."""
        partitions = [partition for queue in queues for partition in self._partitions.queue(queue).partitions]
        return [lease for partition in partitions for lease in _orphans(partition)]

    def settle_expired(self, settlements: Sequence[Settlement]) -> Sequence[SettleOutcome]:
        """Settle orphans."""
        results = [SettleOutcome.SETTLED] * len(settlements)
        by_partition: dict[Partition, list[int]] = {}
        for number, one in enumerate(settlements):
            by_partition.setdefault(_term(one).partition, []).append(number)
        for partition, numbers in by_partition.items():
            self._settle(partition, settlements, numbers, results)
        return results

    def _settle(
        self, partition: Partition, settlements: Sequence[Settlement], numbers: list[int], results: list[SettleOutcome]
    ) -> None:
        retried = [n for n in numbers if settlements[n].kind is SettleKind.RETRY]
        archived = [n for n in numbers if settlements[n].kind is SettleKind.ARCHIVE]
        if len(retried) + len(archived) != len(numbers):
            raise InvalidArgumentError("expired leases are settled with RETRY or ARCHIVE")
        commands: list[Command] = []
        members: list[list[int]] = []
        if retried:
            commands.append(
                command.recover_retry(
                    [
                        (
                            *_name(settlements[n]),
                            delay_ms(settlements[n]),
                            settlements[n].error_msg,
                            new_retried(settlements[n]),
                        )
                        for n in retried
                    ]
                )
            )
            members.append(retried)
        if archived:
            commands.append(
                command.recover_archive([(*_name(settlements[n]), settlements[n].error_msg) for n in archived])
            )
            members.append(archived)
        size_bytes = sum(64 + 3 * len(settlements[n].error_msg) for n in numbers)
        ticket = partition.commit(commands, size_bytes=size_bytes, needs_outcomes=True)
        assert ticket.outcomes is not None
        for outcome, of_command in zip(ticket.outcomes, members, strict=True):
            if isinstance(outcome, list):
                codes = outcome if len(outcome) == len(of_command) else [command.REJECTED] * len(of_command)
                for code, number in zip(codes, of_command, strict=True):
                    if code != command.OK:
                        results[number] = SettleOutcome.NOT_HELD


def _orphans(partition: Partition) -> list[Lease]:
    """Return the orphans of a partition that this process should settle now."""
    if not partition.has_replica:
        return []
    with partition.replica.lock:
        rank = partition.rank()
        orphans = [] if rank is None else partition.replica.fold.orphans(rank)
    terms: dict[int, OrphanTerm] = {}
    return [
        Lease(
            partition.queue,
            one.task_id,
            one.message,
            terms.setdefault(one.session, OrphanTerm(partition, one.session)),
            one.position,
            one.index,
            has_started=True,
        )
        for one in orphans
    ]


def _term(settlement: Settlement) -> OrphanTerm:
    assert isinstance(settlement.lease.term, OrphanTerm)
    return settlement.lease.term


def _name(settlement: Settlement) -> tuple[int, int, int]:
    return _term(settlement).session, settlement.lease.position, settlement.lease.index
