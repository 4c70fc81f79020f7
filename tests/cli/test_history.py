"""Is a task's past told as it was?"""

from __future__ import annotations

import pytest

from tests.cli.conftest import Ask, live
from tests.services.kafka import KafkaCluster


def test_a_task_that_is_gone_has_its_history(ask: Ask, lived: str) -> None:
    (told,) = ask("--broker", lived, "history", "one", "--json").json()

    assert (told["queue"], told["type"], told["state"], told["cut_before"]) == ("default", "ok", "", None)
    assert [event["change"] for event in told["events"]] == ["enqueued", "given", "started", "done"]
    enqueued, given, *_ = told["events"]
    assert len(enqueued["writer"]) == 32
    assert enqueued["writer"] != given["writer"]
    host, pid, server_id = given["server"].split(":")
    assert host
    assert int(pid)
    assert len(server_id) == 36


def test_each_attempt_has_its_server_error_and_duration(ask: Ask, lived: str) -> None:
    (told,) = ask("--broker", lived, "history", "two", "--queue", "default", "--json").json()

    first, second = told["attempts"]
    assert told["state"] == "completed"
    assert (first["number"], first["outcome"], first["error"]) == (1, "retried", "no such user")
    assert (second["number"], second["outcome"], second["error"]) == (2, "completed", "")
    # The log says when it started unless a task given before it had not: then it first hears of it with its end.
    started_at = first["started_at"] or first["ended_at"]
    assert first["given_at"] <= started_at <= first["ended_at"] <= second["given_at"]
    assert all(attempt["duration"] >= 0 for attempt in told["attempts"])
    assert "due" in [event["change"] for event in told["events"]]


def test_a_refused_enqueue_is_told(ask: Ask, lived: str) -> None:
    (told,) = ask("--broker", lived, "history", "later", "--json").json()

    assert [event["change"] for event in told["events"]] == ["enqueued", "refused"]
    assert told["events"][0]["due_at"] is not None
    assert told["attempts"] == []


def test_people_read_it_as_a_table(ask: Ask, lived: str) -> None:
    told = ask("--broker", lived, "history", "two").out

    assert told.startswith("task two, type flaky, queue default: completed\n")
    assert "no such user" in told
    assert "under way" not in told


def test_a_task_that_never_was_is_an_error(ask: Ask, lived: str) -> None:
    answer = ask("--broker", lived, "history", "nobody")

    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("\n") == 1
    assert '"nobody"' in answer.err


@pytest.mark.kafka
def test_the_same_is_told_of_a_topic(ask: Ask, kafka_cluster: KafkaCluster, kafka_namespace: str) -> None:
    url = f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}"
    live(url)

    (told,) = ask("--broker", url, "history", "two", "--json").json()
    snapshot = ask("--broker", url, "journal", "describe", "default", "--json").json()

    assert [attempt["outcome"] for attempt in told["attempts"]] == ["retried", "completed"]
    assert (snapshot["counts"]["completed"], snapshot["counts"]["scheduled"]) == (1, 1)
    assert ask("--broker", url, "journal", "verify", "default").code == 0
