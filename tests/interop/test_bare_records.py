"""Does a bare record mean the same wherever it stands, whichever client wrote it?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import kafka
import pytest

from asynq_compat.client import Client
from asynq_compat.inspector import Inspector
from asynq_compat.journals.journal import Entry, Journal, queue_journal_name
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from asynq_compat.journals.kafka.topics import topic_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.machine.machine import Machine
from asynq_compat.task import Task
from asynq_compat.wire.bare import HEADERS_UNREADABLE, Headers
from asynq_compat.wire.message import encode_message
from tests.services.kafka import KafkaCluster
from tests.unit.journals.contract import read_all
from tests.unit.machine.bare_cases import CASES, LATER, QUEUE, check, named
from tests.unit.machine.log import START_MS

Produce = Callable[[bytes | None, list[tuple[str, bytes]]], None]


class RawName(str):
    """The name of a header, in bytes that need not be UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Give the bytes, one a character."""
        del encoding, errors
        return super().encode("latin-1")


@pytest.fixture(params=DRIVERS)
def topic(request: pytest.FixtureRequest, kafka_cluster: KafkaCluster, kafka_namespace: str) -> Iterator[Journal]:
    settings = KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace, driver=str(request.param))
    store = KafkaJournalStore(settings)
    yield store.open(queue_journal_name(QUEUE))
    store.close()


@pytest.fixture
def produce(topic: Journal, kafka_cluster: KafkaCluster, kafka_namespace: str) -> Iterator[Produce]:
    producer = kafka.KafkaProducer(bootstrap_servers=kafka_cluster.bootstrap, max_request_size=16 * 1024 * 1024)
    name = topic_name(kafka_namespace, topic.name)
    yield lambda value, headers: producer.send(name, value, key=b"k", headers=headers, partition=0).get(30) and None
    producer.close()


def folded(entries: list[Entry]) -> Machine:
    """Fold the records of all cases, at one time, and check each."""
    machine = Machine(QUEUE)
    for case, entry in zip(CASES, entries, strict=True):
        assert (entry.data, entry.headers) == (case.value, case.headers), case.name
        check(case, machine, machine.apply(entry.position, START_MS, True, entry.data, entry.headers))
    return machine


def test_each_case_means_the_same_on_every_journal(produce: Produce, topic: Journal, tmp_path: Path) -> None:
    """Only on Kafka can a record have headers: elsewhere they are put beside what was read."""
    for case in CASES:
        named_raw = case.headers == HEADERS_UNREADABLE
        produce(case.value or None, [(RawName("\xff"), b"")] if named_raw else list(case.headers))
    machines = [folded(read_all(topic, len(CASES)))]

    for store in (MemoryJournalStore(str(uuid.uuid4())), SqliteJournalStore(str(tmp_path / "tasks.db"))):
        journal = store.open(queue_journal_name(QUEUE))
        for case in CASES:
            journal.append(case.value)
        read = read_all(journal, len(CASES))
        machines.append(folded([_with(entry, case.headers) for entry, case in zip(read, CASES, strict=True)]))
        store.close()

    assert len({machine.digest() for machine in machines}) == 1


def _with(entry: Entry, headers: Headers) -> Entry:
    return Entry(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, headers)


def test_names_of_headers_may_be_anything(produce: Produce, topic: Journal) -> None:
    at = b"%d" % LATER
    value = encode_message(named("a"))
    written: list[tuple[list[tuple[str, bytes]], Headers]] = [
        *[([("process_at", at)], (("process_at", at),))] * 50,
        ([(RawName("process_at\0x"), at)], (("process_at", at),)),
        ([(RawName("process_at\0\xff"), at)], (("process_at", at),)),
        ([("process_at", at), (RawName("trac\xe9"), b"1"), ("group", b"g")], HEADERS_UNREADABLE),
        ([("größe", b""), ("", b"")], (("größe", b""), ("", b""))),
        ([], ()),
    ]

    for headers, _ in written:
        produce(value, headers)

    entries = read_all(topic, len(written))
    assert [entry.headers for entry in entries] == [expected for _, expected in written]
    assert {entry.data for entry in entries} == {value}


def test_an_operator_sees_how_many_records_could_not_be_read(
    produce: Produce, kafka_cluster: KafkaCluster, kafka_namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        produce(b"nonsense %d" % number, [])
    produce(encode_message(named("a")), [])
    url = f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}"
    with Client(url) as client:
        client.enqueue(Task("t"), queue=QUEUE)
    with Inspector(url) as inspector:
        info = inspector.get_queue_info(QUEUE)

    assert (info.unreadable, info.pending) == (50, 2)
    assert sum("was skipped" in line for line in caplog.messages) == 10
