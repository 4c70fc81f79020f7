"""What does only the journal on Kafka promise: topics checked, outages survived, causes named?"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import kafka
import pytest
from kafka.admin import KafkaAdminClient

from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, InvalidArgumentError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, CONTROL, Journal
from asynq_compat.journals.kafka.driver import At
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.kafka_python.driver import KafkaPythonDriver
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.kafka import KafkaCluster
from tests.services.ports import HOST, free_ports
from tests.services.waiting import wait_until
from tests.unit.journals.contract import LONG_S, data_of, read_all

# For what a broker, or a busy machine, takes its time for.
PATIENCE_S = 120.0


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(kafka_cluster: KafkaCluster, kafka_namespace: str, driver: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace, driver=driver)


@pytest.fixture
def store(settings: KafkaSettings) -> Iterator[KafkaJournalStore]:
    store = KafkaJournalStore(settings)
    yield store
    store.close()


@pytest.fixture
def own_cluster(kafka_cluster: KafkaCluster) -> Iterator[KafkaCluster]:
    """A broker that a test may kill; the session's one is asked for only to be skipped alike."""
    cluster = KafkaCluster()
    yield cluster
    cluster.stop()


def make_topic(settings: KafkaSettings, topic: str, partitions: int = 1, **configs: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=list(settings.bootstrap))
    dotted = {name.replace("_", "."): value for name, value in configs.items()}
    request = {topic: {"num_partitions": partitions, "replication_factor": 1, "configs": dotted}}
    admin.create_topics(request, wait_for_metadata=True)
    admin.close()


def test_a_topic_with_client_timestamps_is_refused(store: KafkaJournalStore, settings: KafkaSettings) -> None:
    topic = f"{settings.namespace}.control"
    make_topic(settings, topic)

    with pytest.raises(InvalidArgumentError, match=r"message\.timestamp\.type=CreateTime") as caught:
        store.open(CONTROL)

    assert f"rpk topic alter-config {topic} --set message.timestamp.type=LogAppendTime" in str(caught.value)


def test_a_topic_of_two_partitions_is_refused(store: KafkaJournalStore, settings: KafkaSettings) -> None:
    make_topic(settings, f"{settings.namespace}.control", 2)

    with pytest.raises(InvalidArgumentError, match="2 partitions"):
        store.open(CONTROL)


def test_records_of_any_codec_are_read(store: KafkaJournalStore, settings: KafkaSettings) -> None:
    journal = store.open(CONTROL)
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    for codec in codecs:
        producer = kafka.KafkaProducer(bootstrap_servers=list(settings.bootstrap), compression_type=codec)
        producer.send(f"{settings.namespace}.control", value=codec.encode() * 50).get(LONG_S)
        producer.close()

    assert data_of(read_all(journal, 4)) == [codec.encode() * 50 for codec in codecs]


def test_a_record_without_a_value_is_an_empty_entry(store: KafkaJournalStore, settings: KafkaSettings) -> None:
    journal = store.open(CONTROL)
    producer = kafka.KafkaProducer(bootstrap_servers=list(settings.bootstrap))
    producer.send(f"{settings.namespace}.control", key=b"k", value=None).get(LONG_S)
    producer.close()

    assert data_of(read_all(journal, 1)) == [b""]


def test_a_position_that_was_cut_off_is_an_error_not_a_jump(store: KafkaJournalStore, settings: KafkaSettings) -> None:
    journal = store.open(CONTROL)
    for _ in range(5):
        journal.append(b"x")
    admin = KafkaAdminClient(bootstrap_servers=list(settings.bootstrap))
    admin.delete_records({kafka.TopicPartition(f"{settings.namespace}.control", 0): 3})
    admin.close()

    with pytest.raises(CorruptDataError, match="what stands behind position -1 is not in the journal"):
        journal.read(BEFORE_THE_FIRST, wait_s=LONG_S)
    assert [entry.position for entry in read_all(journal, 2, after=2)] == [3, 4]


def refused_within(settings: KafkaSettings, limit_s: float) -> str:
    started = time.monotonic()
    store = KafkaJournalStore(settings)
    with pytest.raises(BrokerUnavailableError) as caught:
        store.open(CONTROL)
    store.close()
    assert time.monotonic() - started < limit_s
    assert not caught.value.may_have_happened
    return str(caught.value)


def test_a_cluster_that_is_not_there_fails_in_time_and_is_named(driver: str) -> None:
    address = f"{HOST}:{free_ports(1)[0]}"

    said = refused_within(KafkaSettings(bootstrap=(address,), request_timeout_s=1, driver=driver), 8)

    assert f"{address}: connection refused" in said


def test_an_attempt_that_takes_long_is_told_once(driver: str, caplog: pytest.LogCaptureFixture) -> None:
    address = f"{HOST}:{free_ports(1)[0]}"

    said = refused_within(KafkaSettings(bootstrap=(address,), connect_timeout_s=3.5, driver=driver), 15)

    lines = [one.getMessage() for one in caplog.records if one.name == "asynq_compat"]
    assert [line for line in lines if f"no Kafka broker at {address}" in line] == lines[:1]
    assert "within 3.5 s" in said


def test_a_name_that_is_not_known_fails_in_time_and_is_named(driver: str) -> None:
    said = refused_within(
        KafkaSettings(bootstrap=("no-such-host.invalid:9092",), request_timeout_s=1, driver=driver), 15
    )

    assert "no-such-host.invalid:9092: " in said


def test_a_port_that_speaks_something_else_fails_in_time_and_is_named(driver: str) -> None:
    with socket.create_server((HOST, 0)) as silent:
        address = f"{HOST}:{silent.getsockname()[1]}"

        said = refused_within(KafkaSettings(bootstrap=(address,), request_timeout_s=1, driver=driver), 8)

    assert f"{address}: takes connections but does not answer as a Kafka broker" in said


class Appender:
    """Appends numbered frames until told to stop, each again until its fate is known; a thread of its own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._stop = threading.Event()
        self.acknowledged: list[bytes] = []
        self.unknown_fates = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            frame = b"%d" % number
            while not self._stop.is_set():
                try:
                    self._journal.append(frame)
                except BrokerUnavailableError as error:
                    self.unknown_fates += error.may_have_happened
                else:
                    self.acknowledged.append(frame)
                    break
            if self._stop.is_set():
                return

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("request_timeout_s", [PATIENCE_S, 1.0])
def test_a_broker_killed_under_load_loses_nothing_acknowledged(
    own_cluster: KafkaCluster, kafka_namespace: str, driver: str, request_timeout_s: float
) -> None:
    """With a timeout longer than the outage no error is seen; with a shorter one the same frame is appended again."""
    bootstrap = (own_cluster.bootstrap,)
    patient = KafkaJournalStore(KafkaSettings(bootstrap=bootstrap, namespace=kafka_namespace, driver=driver))
    reading = patient.open(CONTROL)
    store = KafkaJournalStore(
        KafkaSettings(
            bootstrap=bootstrap, namespace=kafka_namespace, driver=driver, request_timeout_s=request_timeout_s
        )
    )
    appender = Appender(opened(store))
    wait_until(lambda: len(appender.acknowledged) > 50, "appends before the outage", PATIENCE_S)
    read_before = len(read_all(reading, 20))

    own_cluster.kill()
    if request_timeout_s < 5:
        wait_until(lambda: appender.unknown_fates > 0, "an append of unknown fate", PATIENCE_S)
    own_cluster.start()

    acknowledged_before = len(appender.acknowledged)
    wait_until(lambda: len(appender.acknowledged) > acknowledged_before + 50, "appends after the outage", PATIENCE_S)
    appender.stop()
    log = data_of(read_all(reading, reading.end() + 1))
    distinct = list(dict.fromkeys(log))
    assert read_before >= 20
    assert distinct[: len(appender.acknowledged)] == appender.acknowledged
    if request_timeout_s > 5:
        assert appender.unknown_fates == 0
        assert len(log) == len(distinct)
    store.close()
    patient.close()


def test_a_waiting_reader_goes_on_when_the_broker_is_back(
    own_cluster: KafkaCluster, kafka_namespace: str, driver: str
) -> None:
    settings = KafkaSettings(bootstrap=(own_cluster.bootstrap,), namespace=kafka_namespace, driver=driver)
    store = KafkaJournalStore(settings)
    journal = store.open(CONTROL)
    journal.append(b"before")
    found = data_of(read_all(journal, 1))  # From here on it is connected.
    reader = threading.Thread(target=lambda: found.extend(data_of(read_all(journal, 1, after=0))))
    reader.start()

    own_cluster.kill()
    own_cluster.start()
    journal.append(b"after")

    reader.join(PATIENCE_S)
    assert found == [b"before", b"after"]
    store.close()


def test_a_broker_that_stands_still_is_a_timeout_of_unknown_fate_and_leaves_no_threads(
    own_cluster: KafkaCluster, kafka_namespace: str, driver: str
) -> None:
    settings = KafkaSettings(
        bootstrap=(own_cluster.bootstrap,), namespace=kafka_namespace, request_timeout_s=1, driver=driver
    )
    store = KafkaJournalStore(settings)
    journal = opened(store)
    wait_until(lambda: appends(journal, b"before"), "a connection that is not made within the second", PATIENCE_S)
    threads_before = threading.active_count()

    own_cluster.pause()
    with pytest.raises(BrokerUnavailableError, match="no answer to an append") as first:
        journal.append(b"unknown")
    with pytest.raises(BrokerUnavailableError, match=own_cluster.bootstrap) as second:
        journal.append(b"unsent")
    own_cluster.resume()

    assert first.value.may_have_happened
    # kafka-python has to connect anew for the second one; librdkafka holds it until its time is up, and does not say whether it was sent.
    assert second.value.may_have_happened == (driver == "confluent")
    wait_until(
        lambda: threading.active_count() <= threads_before, "the threads of thrown away producers to end", PATIENCE_S
    )
    wait_until(lambda: appends(journal, b"after"), "an append to get through", PATIENCE_S)
    patient = KafkaJournalStore(replace(settings, request_timeout_s=PATIENCE_S))
    reading = patient.open(CONTROL)
    log = data_of(read_all(reading, reading.end() + 1))
    fates = {b"unknown": first.value.may_have_happened, b"unsent": second.value.may_have_happened}
    # What was appended again, since its answer took more than a second, may stand there more than once.
    assert [frame for frame in dict.fromkeys(log) if not fates.get(frame)] == [b"before", b"after"]
    patient.close()
    store.close()


_STOPPED = """
import sys
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings

_, bootstrap, namespace, driver = sys.argv
settings = KafkaSettings(bootstrap=(bootstrap,), namespace=namespace, request_timeout_s=1, driver=driver)
store, journal = KafkaJournalStore(settings), None
while journal is None:
    try:
        journal = store.open(CONTROL)
    except BrokerUnavailableError:
        pass  # A busy machine.
for _ in sys.stdin:
    print("appending", flush=True)
    try:
        journal.append(b"frame")
    except BrokerUnavailableError:
        pass
    print("told", flush=True)
"""


def test_a_process_that_was_stopped_in_an_append_is_told_as_of_any_other_timeout(
    own_cluster: KafkaCluster, kafka_namespace: str, driver: str
) -> None:
    """It wakes when both the library's time and ours are over, and either may be noticed first."""
    command = [sys.executable, "-c", _STOPPED, own_cluster.bootstrap, kafka_namespace, driver]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask() -> None:
            print("append", file=stdin, flush=True)
            assert stdout.readline() == "appending\n"

        pause = threading.Event()
        for _ in range(2):
            ask()
            assert stdout.readline() == "told\n"
            own_cluster.pause()
            ask()
            pause.wait(0.2)  # It is on its way; nothing shows that from here.
            process.send_signal(signal.SIGSTOP)
            pause.wait(2.2)  # Longer than both may take.
            own_cluster.resume()
            process.send_signal(signal.SIGCONT)
            assert stdout.readline() == "told\n"
        stdin.close()


def opened(store: KafkaJournalStore) -> Journal:
    """Open a journal though no answer is waited for longer than a second, which may not do on a busy machine."""
    found: list[Journal] = []

    def is_open() -> bool:
        with contextlib.suppress(BrokerUnavailableError):
            found.append(store.open(CONTROL))
        return bool(found)

    wait_until(is_open, "the journal to be opened", PATIENCE_S)
    return found[0]


def appends(journal: Journal, frame: bytes) -> bool:
    try:
        journal.append(frame)
    except BrokerUnavailableError:
        return False
    return True


def test_a_forked_child_connects_anew(store: KafkaJournalStore) -> None:
    journal = store.open(CONTROL)
    journal.append(b"parent before")
    assert len(read_all(journal, 1)) == 1

    child = os.fork()
    if child == 0:
        code = 2
        try:
            journal.append(b"child")
            code = 0 if len(read_all(journal, 2)) == 2 else 1
        except AsynqError:
            code = 3
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    journal.append(b"parent after")
    assert data_of(read_all(journal, 3)) == [b"parent before", b"child", b"parent after"]


def test_the_private_attributes_are_what_the_decision_says(kafka_cluster: KafkaCluster, kafka_namespace: str) -> None:
    """docs/adr/0003: a new kafka-python may have renamed them."""
    settings = KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace)
    driver = KafkaPythonDriver(settings)
    fetcher = driver.fetcher(At(f"{kafka_namespace}.control", 0))
    fetcher.connect()

    producer, consumer = driver._producer.get().client, fetcher._consumer

    assert kafka.__version__ == "3.0.12"
    for metadata in (producer._metadata, consumer._cluster):
        assert metadata.config["retry_backoff_ms"] == 5
        assert metadata.refresh_backoff() == 5
    assert producer._cleanup is None, "it waits for nobody at the interpreter's end"
    assert callable(producer._sender.force_close), "it ends though a record has no answer"
    fetcher.close()
    driver.close()
