"""Do topic names translate without loss, and is each harmful setting named with its remedy?"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.journals.journal import CONTROL, queue_journal_name, state_journal_name
from asynq_compat.journals.kafka.topics import (
    WANTED,
    WANTED_IF_REPLICATED,
    fault_of,
    fault_of_count,
    faults_of,
    journal_name_of,
    topic_name,
)

ADDRESS = "localhost:9092"
queues = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(queues)
def test_a_queue_name_survives_its_topic_name(queue: str) -> None:
    topic = topic_name("asynq", queue_journal_name(queue))

    assert re.fullmatch(r"asynq\.queue\.[A-Za-z0-9._-]+", topic)
    assert journal_name_of("asynq", topic) == queue_journal_name(queue)


@given(queues, queues)
def test_two_queues_never_share_a_topic(first: str, second: str) -> None:
    names = {topic_name("asynq", queue_journal_name(queue)) for queue in (first, second)}

    assert len(names) == len({first, second})


def test_plain_names_stay_readable() -> None:
    assert topic_name("asynq", queue_journal_name("low_priority-2")) == "asynq.queue.low_priority-2"
    assert topic_name("shop", CONTROL) == "shop.control"
    assert topic_name("shop", state_journal_name(CONTROL)) == "shop.control.state"
    assert topic_name("shop", state_journal_name(queue_journal_name("a"))) == "shop.state.a"


@pytest.mark.parametrize(
    "topic", ["asynq.queue.", "asynq.state.", "other.control", "asynq.queue.a.b", "asynq.queue.a.FF", "orders"]
)
def test_a_topic_that_is_none_of_ours_is_passed_over(topic: str) -> None:
    assert journal_name_of("asynq", topic) is None


@pytest.mark.parametrize("name", ["", "queue.", "state.", "other.default", "queue." + "x" * 250])
def test_a_name_that_no_topic_can_bear_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        topic_name("asynq", name)


def test_a_topic_as_we_make_it_has_no_fault() -> None:
    assert fault_of("t", ADDRESS, WANTED) is None
    assert fault_of("t", ADDRESS, {**WANTED, "max.message.bytes": "104857600"}) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("message.timestamp.type", "CreateTime"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1"),
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("max.message.bytes", "1048588"),
        ("retention.ms", None),
    ],
)
def test_a_harmful_setting_is_named_with_the_command_that_mends_it(setting: str, value: str | None) -> None:
    fault = fault_of("asynq.control", ADDRESS, {**WANTED, setting: value})

    assert fault is not None
    assert f"topic asynq.control has {setting}={value}" in fault
    assert f"rpk topic alter-config asynq.control --set {setting}={WANTED[setting]}" in fault
    assert f"--bootstrap-server {ADDRESS}" in fault


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = {
        **WANTED,
        **WANTED_IF_REPLICATED,
        "cleanup.policy": "compact",
        "retention.ms": "1",
        "min.insync.replicas": "1",
    }

    told = list(faults_of("t", ADDRESS, found, replica_count=3))

    assert sorted(fault.partition(",")[0] for fault in told) == [
        "topic t has cleanup.policy=compact",
        "topic t has min.insync.replicas=1",
        "topic t has retention.ms=1",
    ]


@pytest.mark.parametrize(
    ("setting", "value"), [("min.insync.replicas", "1"), ("unclean.leader.election.enable", "true")]
)
def test_what_harms_a_replicated_topic_alone_is_named_where_it_is_replicated(setting: str, value: str) -> None:
    found = {**WANTED, **WANTED_IF_REPLICATED, setting: value}

    assert fault_of("t", ADDRESS, found, replica_count=1) is None
    assert f"--set {setting}={WANTED_IF_REPLICATED[setting]}" in (fault_of("t", ADDRESS, found, 3) or "")


def test_a_broker_that_always_needs_a_majority_has_no_such_settings() -> None:
    assert fault_of("t", ADDRESS, WANTED, replica_count=3) is None
    assert fault_of("t", ADDRESS, {**WANTED, "min.insync.replicas": "3"}, replica_count=3) is None


def test_what_all_queues_share_has_one_partition() -> None:
    fault = fault_of_count("control", "asynq.control", ADDRESS, 3, 0) or ""

    assert "has 3 partitions" in fault
    assert "rpk topic delete asynq.control" in fault
    assert fault_of_count("control", "asynq.control", ADDRESS, 1, 0) is None


def test_a_partition_that_a_topic_lacks_is_named_with_the_command_that_adds_it() -> None:
    fault = fault_of_count("state.q", "asynq.state.q", ADDRESS, 2, 3) or ""

    assert "has 2 partitions and needs 4" in fault
    assert "rpk topic add-partitions asynq.state.q --num 2" in fault
    assert fault_of_count("state.q", "asynq.state.q", ADDRESS, 4, 3) is None
