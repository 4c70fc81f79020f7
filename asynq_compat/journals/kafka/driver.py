"""What must a Kafka client library do for a journal?

Contract: implementations are thread-safe but for `Reader`, which one thread at a time reads; they translate the errors of their library,
and every wait has a limit. Which one is used is said by the settings; nothing is chosen by what happens to be installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from asynq_compat.journals.examining import Condition
from asynq_compat.journals.journal import Entry


class At(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Fetcher(Protocol):
    """A consumer of one partition."""

    @property
    def next(self) -> int:
        """The offset that is fetched next. Not the last record's + 1: control records take offsets too."""

    def connect(self) -> None:
        """Connect, if that has not been done.

        Raises:
            BrokerUnavailableError: No broker answered in time, or `give_up` was called meanwhile.
        """

    def seek(self, offset: int) -> None:
        """Go on at this offset."""

    def fetch(self, timeout_ms: int, max_count: int) -> list[Entry]:
        """Return records, after at most about `timeout_ms` if there are none; what came is complete and in order.

        Raises:
            NotInJournalError: The offset is not in the topic.
            CorruptDataError: What stands there cannot be read.
            BrokerUnavailableError: It cannot be read now.
        """

    def give_up(self) -> None:
        """Let a connection that is being made fail now."""

    def set_aside(self) -> None:
        """Leave what a forked child inherited to its parent: it is neither used nor freed."""

    def close(self) -> None:
        """Close the connection. Nobody may be reading. Legal twice."""


class Driver(Protocol):
    """The connections of one process to one cluster."""

    def connect_ahead(self) -> None:
        """Connect what appends beside whatever else is being done; a failure shows at the first append."""

    def append(self, at: At, frame: bytes) -> int:
        """Store a frame; return its offset.

        Raises:
            PayloadTooLargeError: The topic does not take it.
            BrokerUnavailableError: No answer; says whether it may have been stored.
        """

    def end(self, at: At) -> int:
        """Return the offset of the last record, -1 if there is none."""

    def first(self, at: At) -> int:
        """Return the offset from which on nothing was deleted."""

    def truncate(self, at: At, before: int) -> None:
        """Delete the records below an offset."""

    def topics(self) -> Sequence[str]:
        """Return the names of all topics of the cluster that this user may see."""

    def ensure_topics(self, wanted: Mapping[str, int]) -> Mapping[str, int]:
        """Make the topics that do not exist, with so many partitions, check what stands there; return how many each has.

        Raises:
            InvalidArgumentError: A setting of one would harm a journal; the message says which and how to mend it.
            BrokerUnavailableError: No answer, or one may not be made.
        """

    def examine_topics(self, topics: Sequence[str]) -> Sequence[Condition]:
        """Return how topics are that exist; none is made or changed.

        Raises:
            BrokerUnavailableError: No answer, or one may not be looked at.
        """

    def fetcher(self, at: At) -> Fetcher:
        """Return a consumer of a partition, connected by its first use."""

    def after_fork(self) -> None:
        """Start anew in a forked child; what was inherited is its parent's."""

    def close(self) -> None:
        """Close the connections, those that are being made too; takes two seconds at most, whatever the brokers do. Legal twice."""
