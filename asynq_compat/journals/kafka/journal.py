"""How is a journal kept in a Kafka topic?

Contract: a partition of a topic is the total order; an append is durable when all in-sync replicas have it. Topics are made if they do
not exist and refused if their settings would harm a journal (topics.py). Forked children connect anew.
Not obvious: an append that got no answer may be in the topic; the machine knows a frame that was appended twice.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError, ServerStateError
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.journal import (
    READ_BYTES_MAX,
    READ_COUNT_MAX,
    Batch,
    JournalStore,
    base_and_partition,
    check_frame_size,
    queue_of_state,
)
from asynq_compat.journals.kafka.driver import At, Driver
from asynq_compat.journals.kafka.reader import TopicReader
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.shared import Shared
from asynq_compat.journals.kafka.topics import fault_of_count, journal_name_of, topic_name


class KafkaJournalStore:
    """The journals of one namespace of a cluster; connects when it is made.

    Raises:
        BrokerUnavailableError: No broker answered in time; names the addresses and the causes.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._driver = open_driver(settings)
        self._opened: list[KafkaJournal] = []
        self._counts: dict[str, int] = {}  # Partitions of the queues' journals that were looked at.
        self._prepared: dict[str, int] = {}  # Of the last `prepare`, and not asked for since.
        self._topics = self._new_question()
        self._driver.connect_ahead()
        _stores.add(self)

    @property
    def address(self) -> str:
        """The brokers and the namespace as a URL."""
        return self._settings.address

    def prepare(self, bases: Sequence[str], wanted: int) -> None:
        """Make the topics of several queues in few requests, where they do not exist."""
        topics = {topic_name(self._settings.namespace, base): base for base in bases}
        counts = self._driver.ensure_topics(dict.fromkeys(topics, wanted)) if topics else {}
        self._prepared = {topics[topic]: count for topic, count in counts.items()}

    def partition_count(self, base: str, wanted: int) -> int:
        """Return how many partitions a queue's topic has, made if it does not exist."""
        count = self._prepared.pop(base, None) or self._ensure(topic_name(self._settings.namespace, base), wanted)
        self._counts[base] = count
        return count

    def _ensure(self, topic: str, wanted: int) -> int:
        return self._driver.ensure_topics({topic: wanted})[topic]

    def open(self, name: str) -> KafkaJournal:
        """Open the journal of that name, its topic made if it does not exist."""
        base, partition = base_and_partition(name)
        topic = topic_name(self._settings.namespace, base)
        count = self._counts.get(base) or self._ensure(topic, self._count_for(base))
        if fault := fault_of_count(base, topic, self._settings.bootstrap[0], count, partition):
            raise InvalidArgumentError(fault)
        journal = KafkaJournal(self._settings, self._driver, name, At(topic, partition))
        self._opened.append(journal)
        return journal

    def _count_for(self, base: str) -> int:
        """Return with how many partitions a topic is made: for each of a queue's there is one of checkpoints."""
        queue_base = queue_of_state(base)
        if queue_base is None:
            return 1
        return self._counts.get(queue_base) or self.partition_count(queue_base, 1)

    def names(self) -> Sequence[str]:
        """Return the names of the journals that exist, sorted."""
        namespace = self._settings.namespace
        return sorted(name for topic in self._topics.ask(None) if (name := journal_name_of(namespace, topic)))

    def examine(self) -> Sequence[Condition]:
        """Return how the namespace's topics are; raises BrokerUnavailableError."""
        namespace = self._settings.namespace
        return self._driver.examine_topics(
            sorted(topic for topic in self._driver.topics() if journal_name_of(namespace, topic))
        )

    def _new_question(self) -> Shared[None, Sequence[str]]:
        return Shared(lambda _: {None: self._driver.topics()})

    def opens_elsewhere(self) -> Callable[[], JournalStore]:
        """Return what connects to the same namespace."""
        return partial(KafkaJournalStore, self._settings)

    def ping(self) -> None:
        """Ask for the cluster's topics."""
        self._driver.topics()

    def close(self) -> None:
        """Close every journal opened here, and the connections."""
        for journal in self._opened:
            journal.close()
        self._driver.close()

    def after_fork(self) -> None:
        """Start anew in a forked child."""
        self._driver.after_fork()
        self._topics = self._new_question()
        for journal in self._opened:
            journal.after_fork()


class KafkaJournal:
    """One journal: a partition of a topic."""

    def __init__(self, settings: KafkaSettings, driver: Driver, name: str, at: At) -> None:
        self._settings = settings
        self._driver = driver
        self._name = name
        self._at = at
        self._is_closed = False
        self._turn = threading.Lock()  # Held through a read: one reader at a time.
        self._reader = self._new_reader()

    @property
    def name(self) -> str:
        """The name that it was opened by."""
        return self._name

    def append(self, frame: bytes) -> int:
        """Store a frame; return its position."""
        check_frame_size(frame)
        self._check_open()
        return self._driver.append(self._at, frame)

    def read(
        self, after: int, *, wait_s: float, max_count: int = READ_COUNT_MAX, max_bytes: int = READ_BYTES_MAX
    ) -> Batch:
        """Return the entries behind `after`."""
        with self._turn:
            self._check_open()
            return self._reader.read(after, wait_s, max_count, max_bytes)

    def end(self) -> int:
        """Return the position of the last record, -1 if there is none."""
        self._check_open()
        return self._driver.end(self._at)

    def first(self) -> int:
        """Return the position from which on nothing was cut."""
        self._check_open()
        return self._driver.first(self._at)

    def truncate(self, before: int) -> None:
        """Delete the records below a position."""
        self._check_open()
        try:
            self._driver.truncate(self._at, before)
        except BrokerUnavailableError:
            # Apache Kafka takes what was cut before, kfake calls it out of range.
            if self._driver.first(self._at) < before:
                raise

    def interrupt(self) -> None:
        """Let a waiting read return."""
        self._reader.interrupt()

    def close(self) -> None:
        """Wake a waiting read and close its connection."""
        self._is_closed = True
        self._reader.interrupt()
        with self._turn:
            self._reader.close()

    def after_fork(self) -> None:
        """Start anew in a forked child; what was inherited is its parent's."""
        self._reader.set_aside()
        self._turn = threading.Lock()
        self._reader = self._new_reader()

    def _new_reader(self) -> TopicReader:
        return TopicReader(self._driver.fetcher(self._at), self.end, self._settings.request_timeout_s)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServerStateError(f"the journal {self._name} of {self._settings.address} is closed; open it anew")


_stores: weakref.WeakSet[KafkaJournalStore] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


def open_driver(settings: KafkaSettings) -> Driver:
    """Return the driver that the settings name.

    Raises:
        InvalidArgumentError: Its library is not installed; the message says how to install it. Or a file of the certificates is wrong.
    """
    if settings.driver == "confluent":
        try:
            from asynq_compat.journals.kafka.confluent.driver import ConfluentDriver
        except ImportError as error:
            raise InvalidArgumentError(
                f"driver confluent needs the package confluent-kafka ({error}); pip install 'asynq-compat[fast]', "
                "or leave driver out for kafka-python"
            ) from None
        return ConfluentDriver(settings)
    from asynq_compat.journals.kafka.kafka_python.driver import KafkaPythonDriver

    return KafkaPythonDriver(settings)
