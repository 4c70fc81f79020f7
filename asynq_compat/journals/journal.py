"""What is a journal?

Contract: an append-only, totally ordered, durable sequence of entries. `Journal` is one of them, `JournalStore` the place where they
stand. Implementations are thread-safe, translate every foreign exception into one of `asynq_compat.errors`, and serve a forked child
by opening their connections anew.
Not obvious: positions grow but need not be contiguous, so a reader is told how far it has read (`Batch.upto`) and never waits for an
entry at a given position. An append whose answer was lost may stand in the log all the same. A journal may be cut: its oldest entries go,
its positions never restart, and a read below the cut fails instead of jumping over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from asynq_compat.errors import BrokerUnavailableError, CorruptDataError, PayloadTooLargeError
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.hot_record import hot_record

BEFORE_THE_FIRST = -1
"""The position to read after in order to read from the beginning; what `end` gives for an empty journal."""

FRAME_BYTES_MAX = 16 * 1024 * 1024 - 1024
"""The largest frame: 16 MiB, the topics' max.message.bytes, less room for what a record is wrapped in."""

READ_COUNT_MAX = 10_000
READ_BYTES_MAX = 1024 * 1024

CONTROL = "control"
"""The name of the journal that all queues share."""


def queue_journal_name(queue: str, partition: int = 0) -> str:
    """Return the name of the journal of one partition of a queue."""
    return partition_name(f"queue.{queue}", partition)


def state_journal_name(name: str) -> str:
    """Return the name of the journal that holds the checkpoints of the journal `name`.

    No queue's journal, and no other's checkpoints, are called like that.
    """
    base, partition = base_and_partition(name)
    base = f"{CONTROL}.state" if base == CONTROL else f"state.{base.removeprefix(queue_journal_name(''))}"
    return partition_name(base, partition)


def queue_of_state(base: str) -> str | None:
    """Return the queue's journal whose checkpoints `base` holds; None if it holds no queue's."""
    prefix = state_journal_name(queue_journal_name(""))
    return queue_journal_name(base.removeprefix(prefix)) if base.startswith(prefix) else None


def partition_name(base: str, partition: int) -> str:
    """Return how a partition is called whose first one, 0, is called `base`: no base begins with a digit."""
    return f"{partition}/{base}" if partition else base


def base_and_partition(name: str) -> tuple[str, int]:
    """Return what `partition_name` made a name of."""
    number, slash, base = name.partition("/")
    return (base, int(number)) if slash and number.isdecimal() else (name, 0)


class MissingRightError(BrokerUnavailableError):
    """Who appends may not: nothing was stored, and nothing will be before the right is given."""


class NotInJournalError(CorruptDataError):
    """What was to be read is not in the journal: it was cut away, or the journal ends before it (it is another one than it was).

    Attributes:
        after: The position to read after.
    """

    def __init__(self, name: str, after: int) -> None:
        super().__init__(
            f"what stands behind position {after} is not in the journal {name} (any more): it was cut, or the journal was made anew"
        )
        self.after = after


def check_frame_size(frame: bytes) -> None:
    """Refuse a frame that no journal takes.

    Raises:
        PayloadTooLargeError: It is larger than `FRAME_BYTES_MAX`.
    """
    if len(frame) > FRAME_BYTES_MAX:
        raise PayloadTooLargeError(
            f"a frame of {len(frame)} bytes is larger than a journal takes, {FRAME_BYTES_MAX} bytes; send less at once",
            size_bytes=len(frame),
            size_bytes_max=FRAME_BYTES_MAX,
        )


@hot_record
class Entry:
    """One entry of a journal.

    Attributes:
        position: Larger than that of every entry before it.
        timestamp_ms: Unix milliseconds.
        is_log_time: The log itself took the time; False where it kept the time that its writer told.
        data: A frame or a bare record; empty where a record without a value was written.
        headers: A record's headers, as `headers_of` gives them; frames have none.
    """

    position: int
    timestamp_ms: int
    is_log_time: bool
    data: bytes
    headers: Headers = ()


def headers_of(given: Sequence[tuple[str, bytes | None]] | None) -> Headers:
    """Return the headers that a client library found at a record; the same whichever library it is.

    A name ends at its first NUL, as it does for librdkafka. A driver whose library cannot read a name gives `HEADERS_UNREADABLE`.
    """
    return tuple((name.partition("\0")[0], value or b"") for name, value in given) if given else ()


@hot_record
class Batch:
    """What one read gave.

    Attributes:
        entries: In order; empty when nothing came in time or the read was interrupted.
        upto: Every entry up to and including this position has been read: the next read goes on after it.
    """

    entries: Sequence[Entry]
    upto: int


class Journal(Protocol):
    """One journal, opened: any number of appending threads, one reading thread at a time."""

    @property
    def name(self) -> str:
        """`CONTROL`, or the name of a queue's journal."""

    def append(self, frame: bytes) -> int:
        """Store a frame behind everything stored before; return its position, durable on return.

        Raises:
            PayloadTooLargeError: The frame is larger than `FRAME_BYTES_MAX`; nothing was sent.
            BrokerUnavailableError: No answer; `may_have_happened` says whether this call may have put the frame into the log.
            ServerStateError: The journal is closed.
        """

    def read(
        self,
        after: int,
        *,
        wait_s: float,
        max_count: int = READ_COUNT_MAX,
        max_bytes: int = READ_BYTES_MAX,
    ) -> Batch:
        """Return the entries behind position `after`, waiting up to `wait_s` for the first one.

        Args:
            after: The `upto` of the read before, or `BEFORE_THE_FIRST`.
            wait_s: How long to wait if there is nothing yet; what stands there is given with 0 too.
            max_count: At most so many entries.
            max_bytes: Stop behind the entry that reaches this; a first entry is given however large it is.

        Raises:
            BrokerUnavailableError: Nothing can be read now; the same read may be tried again.
            NotInJournalError: The entries behind `after` were cut away. Also, where it shows, that the journal ends before `after`.
            CorruptDataError: What stands at that position cannot be read.
            ServerStateError: The journal is closed.
        """

    def end(self) -> int:
        """Return the position up to which entries stand now: whoever has read up to it has read all that were durable at this call.

        Raises:
            BrokerUnavailableError: No answer.
            ServerStateError: The journal is closed.
        """

    def first(self) -> int:
        """Return the position from which on nothing was cut: 0 at the beginning, one behind `end` when all was cut.

        Raises:
            BrokerUnavailableError: No answer.
            ServerStateError: The journal is closed.
        """

    def truncate(self, before: int) -> None:
        """Cut: delete the entries at positions below `before`, oldest first. Cutting what was cut before changes nothing.

        May be interrupted by anything: then fewer are gone. Others append and read meanwhile.

        Args:
            before: At most one behind `end`.

        Raises:
            BrokerUnavailableError: No answer; it may have happened.
            ServerStateError: The journal is closed.
        """

    def interrupt(self) -> None:
        """Let the waiting read return now or, if none waits, the next read return without waiting."""

    def close(self) -> None:
        """Interrupt and let go of connections, threads and files. Legal twice."""


class JournalStore(Protocol):
    """A place where journals stand: a process, a file, a namespace of a Kafka cluster. Thread-safe."""

    @property
    def address(self) -> str:
        """Where it is, for logs and errors; never a password."""

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """Make the journals of several queues, where they do not exist, if that is quicker than one by one; raises as `open`.

        Args:
            bases: `queue_journal_name` of their partitions 0, which are asked for next.
            wanted: With how many partitions they are made.
        """

    def partition_count(self, base: str, wanted: int) -> int:
        """Return how many partitions a queue's journal has, made with as many as `wanted` if it does not exist.

        Args:
            base: `queue_journal_name` of its partition 0.
            wanted: At least 1.

        Raises:
            As `open`.
        """

    def open(self, name: str) -> Journal:
        """Open the journal of that name, made if it does not exist: `CONTROL`, a `queue_journal_name`, or the `state_journal_name` of one.

        Of a queue's partitions all but the first are made by `partition_count`.

        Raises:
            InvalidArgumentError: The name cannot be one, or what stands there is no journal of ours; says what to do.
            BrokerUnavailableError: No answer.
        """

    def names(self) -> Sequence[str]:
        """Return the names of the journals that exist, sorted; of those with several partitions that of partition 0.

        Raises:
            BrokerUnavailableError: No answer.
        """

    def opens_elsewhere(self) -> Callable[[], JournalStore] | None:
        """Return what another process can open the same place with, picklable; None where no other process can."""

    def ping(self) -> None:
        """Ask whether it answers.

        Raises:
            BrokerUnavailableError: It does not; names the address and the cause.
        """

    def close(self) -> None:
        """Close every journal opened here. Legal twice."""
