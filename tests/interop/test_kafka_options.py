"""Do codec and client id reach the broker, and is a library that is missing named?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from asynq_compat.journals.journal import BEFORE_THE_FIRST, CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import CODECS, DRIVERS, KafkaSettings
from tests.services.kafka import GivenCluster, KafkaCluster
from tests.services.kafka_secure import SecureKafka
from tests.services.waiting import wait_until
from tests.unit.journals.contract import data_of, read_all

FRAME = b"one frame, compressed. " * 400


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_one_library_compressed_both_can_read(
    kafka_cluster: KafkaCluster | GivenCluster, kafka_namespace: str, driver: str, codec: str
) -> None:
    for reading_driver in DRIVERS:
        writing, reading = (
            KafkaJournalStore(
                KafkaSettings(
                    bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace, driver=one, compression=codec
                )
            )
            for one in (driver, reading_driver)
        )
        position = writing.open(CONTROL).append(FRAME)

        assert data_of(read_all(reading.open(CONTROL), 1, after=position - 1)) == [FRAME]
        writing.close()
        reading.close()
    if isinstance(kafka_cluster, KafkaCluster):  # The files of a cluster that somebody else runs are out of sight.
        (log,) = kafka_cluster.folder.glob(f"data/{kafka_namespace}.control-0/*.log")
        assert (FRAME in log.read_bytes()) == (codec == "none")


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_broker_hears_the_client_id(secure_kafka: SecureKafka, kafka_namespace: str, driver: str) -> None:
    client_id = f"shop-{kafka_namespace}"
    store = KafkaJournalStore(
        KafkaSettings(
            bootstrap=(secure_kafka.bootstrap,), namespace=kafka_namespace, driver=driver, client_id=client_id
        )
    )

    store.open(CONTROL).append(b"x")

    store.close()
    wait_until(lambda: f'"clientId":"{client_id}"' in secure_kafka.log.read_text(errors="replace"), "the id", 30)


# What a program sees where a library of a codec is not installed: "append" or "read" ends with the error's text.
_WITHOUT = """
import sys
bootstrap, namespace, codec, module, deed = sys.argv[1:]
sys.modules[module] = None
from asynq_compat.errors import AsynqError
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
store = KafkaJournalStore(KafkaSettings(bootstrap=(bootstrap,), namespace=namespace, compression=codec))
journal = store.open("control")
try:
    journal.append(b"x") if deed == "append" else journal.read(-1, wait_s=10)
except AsynqError as error:
    print(type(error).__name__, error)
store.close()
"""


@pytest.mark.parametrize(
    ("codec", "module", "package"),
    [("snappy", "snappy", "python-snappy"), ("lz4", "lz4.frame", "lz4"), ("zstd", "zstandard", "zstandard")],
)
def test_a_codec_whose_library_is_missing_is_named_with_the_package(
    kafka_cluster: KafkaCluster, kafka_namespace: str, codec: str, module: str, package: str
) -> None:
    store = KafkaJournalStore(
        KafkaSettings(bootstrap=(kafka_cluster.bootstrap,), namespace=kafka_namespace, compression=codec)
    )
    assert store.open(CONTROL).append(FRAME) > BEFORE_THE_FIRST
    store.close()

    for deed, kind in (("append", "InvalidArgumentError"), ("read", "CorruptDataError")):
        written = codec if deed == "append" else "none"
        done = subprocess.run(
            [
                sys.executable,
                "-Wignore",
                "-c",
                _WITHOUT,
                kafka_cluster.bootstrap,
                kafka_namespace,
                written,
                module,
                deed,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.stdout.startswith(kind), done.stdout + done.stderr
        assert f"the library for {codec} is missing; pip install {package}" in done.stdout


def test_a_driver_whose_library_is_missing_is_named_with_the_package() -> None:
    script = (
        "import sys; sys.modules['confluent_kafka'] = None\n"
        "import asynq_compat as asynq\n"
        "try: asynq.Client('kafka://127.0.0.1:1?driver=confluent')\n"
        "except asynq.InvalidArgumentError as error: print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)

    assert "driver confluent needs the package confluent-kafka" in done.stdout, done.stderr
    assert "pip install 'asynq-compat[fast]'" in done.stdout
