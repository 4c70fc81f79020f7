"""Which topics does a journal need, and are they as they should be?

Contract: pure. Names of journals and topics translate into each other without loss; `fault_of` names the first setting under which a
journal would lose entries, lie about time or refuse a frame, and the command that mends it.
Not obvious: Kafka treats '.' and '_' in topic names as one when it looks for collisions, so the '.' of a queue name is encoded too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.journals.journal import CONTROL, queue_journal_name, state_journal_name

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
TOPIC_NAME_LENGTH_MAX = 249

WANTED = {
    "message.timestamp.type": "LogAppendTime",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": str(MESSAGE_BYTES_MAX),
}
# For a replicated topic: an append stands on two brokers before it is acknowledged, and none of them forgets it by an election.
WANTED_IF_REPLICATED = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}

_PLAIN = re.compile(r"[A-Za-z0-9_-]")
_PREFIXES = (queue_journal_name(""), state_journal_name(queue_journal_name("")))
_SHARED = (CONTROL, state_journal_name(CONTROL))


def topic_name(namespace: str, journal_name: str) -> str:
    """Return the topic of a journal.

    Raises:
        InvalidArgumentError: No journal is called like that, or its topic's name would be too long.
    """
    if journal_name in _SHARED:
        return f"{namespace}.{journal_name}"
    prefix = next((prefix for prefix in _PREFIXES if journal_name.startswith(prefix)), journal_name)
    if journal_name == prefix:
        raise InvalidArgumentError(
            f"a journal is called {CONTROL!r}, 'queue.<queue>', or as the state of one of these, got {journal_name!r}"
        )
    queue = journal_name.removeprefix(prefix)
    encoded = "".join(
        char if _PLAIN.fullmatch(char) else "".join(f".{byte:02X}" for byte in char.encode()) for char in queue
    )
    topic = f"{namespace}.{prefix}{encoded}"
    if len(topic) > TOPIC_NAME_LENGTH_MAX:
        raise InvalidArgumentError(
            f"queue {queue[:40]!r}... needs a topic name of {len(topic)} characters, Kafka takes {TOPIC_NAME_LENGTH_MAX}; "
            "choose a shorter queue name"
        )
    return topic


def journal_name_of(namespace: str, topic: str) -> str | None:
    """Return the journal that a topic holds, None if it is none of this namespace."""
    rest = topic.removeprefix(f"{namespace}.")
    if rest == topic or rest in _SHARED:
        return None if rest == topic else rest
    prefix = next((prefix for prefix in _PREFIXES if rest.startswith(prefix)), rest)
    try:
        encoded = rest.removeprefix(prefix).encode("latin-1")
        name = prefix + re.sub(rb"\.([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), encoded).decode()
        return name if topic_name(namespace, name) == topic else None
    except (UnicodeDecodeError, InvalidArgumentError):
        return None


def fault_of_count(base: str, topic: str, address: str, partition_count: int, partition: int) -> str | None:
    """Return what is wrong with the number of a topic's partitions where one of them is wanted; None if nothing is.

    Args:
        base: The journal without the partition.
        topic: Its topic.
        address: A broker.
        partition_count: How many the topic has.
        partition: The one that is wanted.
    """
    if base in _SHARED and partition_count != 1:
        return (
            f"topic {topic} has {partition_count} partitions, this one needs 1 and a topic never loses one; if it is empty, "
            f"delete it with `rpk topic delete {topic}` or `kafka-topics.sh --bootstrap-server {address} --delete --topic {topic}` "
            "and let this program make it, else choose another namespace"
        )
    if partition >= partition_count:
        return (
            f"topic {topic} has {partition_count} partitions and needs {partition + 1}, as many as its queue's; add some with "
            f"`rpk topic add-partitions {topic} --num {partition + 1 - partition_count}` or `kafka-topics.sh --bootstrap-server "
            f"{address} --alter --topic {topic} --partitions {partition + 1}`"
        )
    return None


def fault_of(topic: str, address: str, found: Mapping[str, str | None], replica_count: int = 1) -> str | None:
    """Return the first thing that is wrong with a topic's settings and how it is mended; None if nothing is."""
    return next(faults_of(topic, address, found, replica_count), None)


def faults_of(topic: str, address: str, found: Mapping[str, str | None], replica_count: int = 1) -> Iterator[str]:
    """Yield each thing that is wrong with a topic's settings and how it is mended."""
    for setting, wanted in WANTED.items():
        value = found.get(setting)
        if value is None or (value != wanted and not _is_large_enough(setting, value)):
            yield _mend(topic, address, setting, value, wanted)
    for setting, wanted in WANTED_IF_REPLICATED.items() if replica_count > 1 else ():
        value = found.get(setting)  # None on Redpanda, where a majority always has to agree.
        if value is not None and value != wanted and not _is_large_enough(setting, value):
            yield _mend(topic, address, setting, value, wanted)


def _mend(topic: str, address: str, setting: str, value: str | None, wanted: str) -> str:
    return (
        f"topic {topic} has {setting}={value}, a journal needs {setting}={wanted}; mend it with "
        f"`rpk topic alter-config {topic} --set {setting}={wanted}` or `kafka-configs.sh --bootstrap-server {address} "
        f"--alter --entity-type topics --entity-name {topic} --add-config {setting}={wanted}`"
    )


def _is_large_enough(setting: str, value: str) -> bool:
    return setting in {"max.message.bytes", "min.insync.replicas"} and int(value) >= int(
        WANTED.get(setting) or WANTED_IF_REPLICATED[setting]
    )
