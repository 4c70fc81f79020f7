"""Does a client store what it is given, and turn a broker's answers into results and errors?"""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

import asynq_compat as asynq
from asynq_compat import errors
from asynq_compat.compose import EnqueueItem
from asynq_compat.connect import VARIABLE, open_broker
from asynq_compat.ports.broker import Broker

TASK = asynq.Task("email", b"{}")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.delenv(VARIABLE, raising=False)
    broker = open_broker(f"memory://{uuid.uuid4()}")
    yield broker
    broker.close()


@pytest.fixture
def client(broker: Broker) -> asynq.Client:
    return asynq.Client(broker)


@pytest.fixture
def inspector(broker: Broker) -> asynq.Inspector:
    return asynq.Inspector(broker)


def test_what_is_enqueued_is_there_and_the_same_is_told(client: asynq.Client, inspector: asynq.Inspector) -> None:
    info = client.enqueue(TASK, asynq.Queue("low"), max_retry=3, retention=60)

    stored = inspector.get_task_info("low", info.id)
    assert (stored.type, stored.payload, stored.max_retry, stored.state) == ("email", b"{}", 3, asynq.TaskStatePending)
    assert (info.type, info.payload, info.max_retry, info.state) == ("email", b"{}", 3, asynq.TaskState.PENDING)
    assert info.retention == stored.retention


def test_an_option_and_its_keyword_are_the_same(client: asynq.Client, inspector: asynq.Inspector) -> None:
    for info in (
        client.enqueue(TASK, asynq.Queue("low"), asynq.ProcessIn(60)),
        client.enqueue(TASK, queue="low", process_in=60),
    ):
        assert inspector.get_task_info("low", info.id).state is asynq.TaskState.SCHEDULED


def test_a_duplicate_is_refused_with_both_names_of_the_error(client: asynq.Client) -> None:
    client.enqueue(TASK, unique=60)

    with pytest.raises(asynq.ErrDuplicateTask, match=r"^task already exists$") as caught:
        client.enqueue(TASK, unique=60)

    assert caught.value.queue == "default"


def test_a_taken_id_is_refused(client: asynq.Client) -> None:
    client.enqueue(TASK, task_id="mine")
    client.enqueue(TASK, task_id="mine", queue="other")

    with pytest.raises(asynq.ErrTaskIDConflict, match=r"^task ID conflicts with another task$") as caught:
        client.enqueue(TASK, task_id="mine")

    assert (caught.value.queue, caught.value.task_id) == ("default", "mine")


def test_many_are_stored_in_one_batch_and_each_hears_of_its_own(
    client: asynq.Client, inspector: asynq.Inspector
) -> None:
    results = client.enqueue_many(
        [TASK, (TASK, asynq.TaskID("a")), (TASK, asynq.TaskID("a")), asynq.Task(""), (TASK, asynq.Queue("low"))],
        queue="mid",
    )

    assert [type(result).__name__ for result in results] == [
        "TaskInfo", "TaskInfo", "TaskIDConflictError", "InvalidArgumentError", "TaskInfo",
    ]  # fmt: skip
    assert inspector.get_queue_info("mid").pending == 2
    assert inspector.get_queue_info("low").pending == 1


@pytest.mark.parametrize("items", [[], iter([])])
def test_nothing_is_a_batch_too(client: asynq.Client, items: list[EnqueueItem]) -> None:
    assert client.enqueue_many(items) == []


@pytest.mark.parametrize("items", [TASK, "email", None])
def test_what_is_no_list_of_tasks_is_refused(client: asynq.Client, items: object) -> None:
    with pytest.raises(
        errors.InvalidArgumentError, match=r"enqueue_many takes a list of tasks, got .*write enqueue_many"
    ):
        client.enqueue_many(cast("list[EnqueueItem]", items))


def _naive() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


BAD_KEYWORDS: list[tuple[dict[str, object], str]] = [
    ({"queue": " "}, "queue name must contain one or more characters, got ' '"),
    ({"task_id": ""}, "task ID cannot be empty, got ''"),
    ({"group": "\t"}, "group key cannot be empty, got '\\t'"),
    ({"queue": "q\ud800"}, "queue must be valid Unicode, got 'q\\ud800'"),
    ({"max_retry": 2**31}, "max_retry must be an integer up to 2147483647, got 2147483648; use 25"),
    ({"max_retry": 1.5}, "max_retry must be an integer up to 2147483647, got 1.5"),
    ({"timeout": math.nan}, "timeout must be a finite number of seconds or a timedelta, got nan"),
    ({"process_in": math.inf}, "process_in must be a finite number of seconds or a timedelta, got inf"),
    ({"retention": "1h"}, "retention must be a finite number of seconds or a timedelta, got '1h'"),
    ({"unique": 0.5}, "Unique TTL cannot be less than 1s, got 500ms"),
    ({"process_at": _naive()}, "process_at must be a datetime with a time zone, got the naive datetime"),
    ({"deadline": _naive()}, "use datetime.now(timezone.utc)"),
    ({"max_retries": 3}, "unknown option 'max_retries'; did you mean max_retry=?"),
    ({"queue": None}, "queue must be a str, got None"),
]


def told_by_a_batch(client: asynq.Client, keywords: dict[str, object]) -> str:
    """What cannot be an option at all is raised for the whole batch, what Go would refuse stands in its place."""
    try:
        (result,) = client.enqueue_many([TASK], **keywords)  # type: ignore[arg-type]  # the mistake under test
    except errors.InvalidArgumentError as error:
        return str(error)
    return str(result)


@pytest.mark.parametrize(("keywords", "text"), BAD_KEYWORDS, ids=[str(list(bad)) for bad, _ in BAD_KEYWORDS])
def test_bad_input_is_refused_and_nothing_is_written(
    client: asynq.Client, inspector: asynq.Inspector, keywords: dict[str, object], text: str
) -> None:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        client.enqueue(TASK, **keywords)  # type: ignore[arg-type]  # the mistake under test
    assert text in str(caught.value)

    assert told_by_a_batch(client, keywords) == str(caught.value)
    assert inspector.queues() == []


@pytest.mark.parametrize(
    "task",
    [
        None, asynq.Task(""), asynq.Task("t", cast("bytes", "text")), asynq.Task("t", cast("bytes", {"a": 1})), asynq.Task("\ud800"),
    ],
)  # fmt: skip
def test_a_bad_task_is_refused_and_nothing_is_written(
    client: asynq.Client, inspector: asynq.Inspector, task: asynq.Task
) -> None:
    with pytest.raises(errors.InvalidArgumentError):
        client.enqueue(task)

    assert inspector.queues() == []


def test_nothing_is_sent_when_the_callers_context_is_over(client: asynq.Client, inspector: asynq.Inspector) -> None:
    context = asynq.Context()
    info = client.enqueue_context(context, TASK)
    context.cancel()

    with pytest.raises(errors.ContextError, match="context canceled"):
        client.enqueue_context(context, TASK)

    assert [task.id for task in inspector.list_pending_tasks("default")] == [info.id]


def test_a_client_closes_what_it_opened_and_nothing_else(broker: Broker) -> None:
    closed: list[str] = []
    watched = replace(broker, close=lambda: closed.append("closed"))

    with asynq.Client(watched) as client:
        client.ping()
    client.close()

    assert closed == []
    with pytest.raises(errors.ServerStateError, match="the client is closed; make another Client"):
        client.enqueue(TASK)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_who_enqueues_while_another_thread_closes_the_client_hears_that(kind: str, tmp_path: Path) -> None:
    client = asynq.Client(f"memory://{uuid.uuid4()}" if kind == "memory" else f"sqlite:///{tmp_path}/queue.db")
    has_stored = threading.Event()

    def enqueue(*, is_many: bool) -> Exception:
        while True:
            try:
                results = client.enqueue_many([TASK]) if is_many else [client.enqueue(TASK)]
            except asynq.AsynqError as error:
                return error
            for result in results:
                if isinstance(result, asynq.AsynqError):
                    return result
            has_stored.set()

    with ThreadPoolExecutor(6) as threads:
        callers = [threads.submit(enqueue, is_many=number < 2) for number in range(6)]
        assert has_stored.wait(60)
        client.close()
        told = [caller.result(60) for caller in callers]

    doubtful = [one for one in told if getattr(one, "may_have_happened", False)]
    assert {type(one) for one in told if one not in doubtful} <= {errors.ServerStateError}
    assert all("the client is closed" in str(one) for one in told if one not in doubtful)
    assert len(doubtful) < len(told)


def test_a_client_opens_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    url = f"memory://{uuid.uuid4()}"

    with asynq.Client(url) as client, asynq.Inspector(url) as inspector:
        info = client.enqueue(TASK)

        assert inspector.get_task_info("default", info.id).id == info.id


def test_a_client_with_a_replica_follows_the_queue_whose_answers_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    with caplog.at_level("INFO"), asynq.Client(asynq.EmbeddedOpt(tmp_path / "queue.db"), replica=True) as client:
        client.enqueue(TASK, unique=60)
        with pytest.raises(errors.DuplicateTaskError):
            client.enqueue(TASK, unique=60)
        following = [thread.name for thread in threading.enumerate()]

    assert "asynq-replica-queue.default" in following
    assert "no server replied" not in caplog.text


def test_many_threads_enqueues_all_arrive(client: asynq.Client, inspector: asynq.Inspector) -> None:
    with ThreadPoolExecutor(20) as threads:
        infos = list(threads.map(lambda _: client.enqueue(TASK), range(500)))

    stored = inspector.list_pending_tasks("default", page_size=0)
    assert sorted(info.id for info in infos) == sorted(task.id for task in stored)
