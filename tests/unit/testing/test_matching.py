"""Does an assertion about enqueued tasks hold when it should, and help when it does not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

import asynq_compat as asynq
from asynq_compat.testing import ANY, Sandbox, VirtualClock

START = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(VirtualClock()) as sandbox:
        yield sandbox


def _enqueue(sandbox: Sandbox, payload: bytes | None = None, **options: Any) -> None:
    sandbox.client.enqueue(asynq.Task("mail", payload, headers={"trace": "a1", "tenant": "x"}), **options)


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b"raw\xff", b"raw\xff"),
        (b"text", "text"),
        (None, None),
        (b"", None),
        (None, b""),
        (b'{"a": 1, "b": [2]}', {"b": [2], "a": 1}),
        (b'{"a": 1}', {"a": ANY}),
        (b'{"a": 1}', {"a": mock.ANY}),
        (b"[1, 2]", [1, 2]),
        (b"7", 7),
        (b"raw\xff", ANY),
        (b"abc", lambda payload: payload.startswith(b"a")),
    ],
)
def test_a_payload_is_met(sandbox: Sandbox, payload: bytes | None, wanted: object) -> None:
    _enqueue(sandbox, payload)

    assert sandbox.assert_enqueued("mail", payload=wanted).payload == (payload or None)


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b"raw", b"RAW"),
        (b"text", "texts"),
        (None, b"x"),
        (b"x", None),
        (b'{"a": 1}', {"a": 2}),
        (b'{"a": 1, "b": 2}', {"a": 1}),
        (b"no json", {"a": 1}),
        (b"abc", lambda payload: payload.startswith(b"b")),
    ],
)
def test_a_payload_is_not_met(sandbox: Sandbox, payload: bytes | None, wanted: object) -> None:
    _enqueue(sandbox, payload)

    sandbox.assert_not_enqueued("mail", payload=wanted)


OPTIONS: list[tuple[str, Any, Any]] = [
    ("queue", "critical", "default"),
    ("task_id", "one", "two"),
    ("max_retry", 5, 25),
    ("timeout", 30, timedelta(seconds=31)),
    ("deadline", START + timedelta(hours=1), START + timedelta(hours=2)),
    ("unique", timedelta(minutes=5), 299),
    ("process_at", START + timedelta(hours=1), START),
    ("process_in", 60, 61),
    ("process_in", 1.5, 2.5),
    ("retention", 3600, 0),
    ("group", "digest", ""),
]


@pytest.mark.parametrize(("option", "given", "other"), OPTIONS)
def test_each_option_is_met_and_told(sandbox: Sandbox, option: str, given: Any, other: Any) -> None:
    _enqueue(sandbox, **{option: given})
    wish: Mapping[str, Any] = {option: given}

    sandbox.assert_enqueued("mail", **wish)
    sandbox.assert_enqueued("mail", **{option: ANY})
    with pytest.raises(AssertionError, match=f"nearest is 1. mail: its {option} is "):
        sandbox.assert_enqueued("mail", **{option: other})


def test_what_runs_at_once_has_no_instant(sandbox: Sandbox) -> None:
    _enqueue(sandbox)

    sandbox.assert_enqueued("mail", process_at=None)  # type: ignore[arg-type]  # what a test may well write
    sandbox.assert_enqueued("mail", process_in=0)
    sandbox.assert_not_enqueued("mail", process_in=1)
    sandbox.assert_not_enqueued("mail", process_at=ANY)
    sandbox.assert_not_enqueued("mail", unique=ANY)


def test_headers_that_are_named_must_be_there(sandbox: Sandbox) -> None:
    _enqueue(sandbox)

    sandbox.assert_enqueued("mail", headers={"trace": "a1"})
    sandbox.assert_enqueued("mail", headers={"trace": ANY})
    sandbox.assert_not_enqueued("mail", headers={"trace": "a2"})
    sandbox.assert_not_enqueued("mail", headers={"span": ANY})


def test_a_count_is_exact(sandbox: Sandbox) -> None:
    for _ in range(2):
        _enqueue(sandbox)

    sandbox.assert_enqueued("mail", count=2)
    sandbox.assert_not_enqueued("letter")
    with pytest.raises(AssertionError, match="2 tasks, not 1, were enqueued as mail"):
        sandbox.assert_enqueued("mail", count=1)


def test_what_is_refused_was_not_enqueued(sandbox: Sandbox) -> None:
    outcomes = sandbox.client.enqueue_many(
        [(asynq.Task("mail"), asynq.TaskID("one")), (asynq.Task("letter"), asynq.TaskID("one"))]
    )

    assert isinstance(outcomes[1], asynq.TaskIDConflictError)
    assert [task.type for task in sandbox.enqueued()] == ["mail"]


def test_what_has_run_was_enqueued_all_the_same(sandbox: Sandbox) -> None:
    _enqueue(sandbox)
    sandbox.run_all(lambda ctx, task: None)

    sandbox.assert_enqueued("mail", count=1)
    sandbox.forget_enqueued()
    sandbox.assert_not_enqueued()


def test_a_failure_shows_what_was_enqueued_and_what_comes_nearest(sandbox: Sandbox) -> None:
    sandbox.client.enqueue(asynq.Task("report", b"\xff"), task_id="r")
    sandbox.client.enqueue(asynq.Task("mail:welcome", b'{"user": 7}'), task_id="w", queue="low", process_in=60)

    with pytest.raises(AssertionError) as caught:
        sandbox.assert_enqueued("mail:welcom", payload={"user": 7}, queue="critical")

    assert str(caught.value).splitlines() == [
        "no task was enqueued as mail:welcom payload={'user': 7} queue='critical'",
        "nearest is 2. mail:welcome: its type is 'mail:welcome', not 'mail:welcom', its queue is 'low', not 'critical'",
        "enqueued in this test (2):",
        "  1. report payload=b'\\xff' queue='default' task_id='r'",
        "  2. mail:welcome payload={\"user\": 7} queue='low' process_in=60 task_id='w'",
    ]


def test_a_failure_where_nothing_was_enqueued_says_so(sandbox: Sandbox) -> None:
    with pytest.raises(AssertionError, match=r"no task was enqueued as \(any type\)\nenqueued in this test: nothing"):
        sandbox.assert_enqueued()


def test_a_long_list_shows_its_end(sandbox: Sandbox) -> None:
    sandbox.client.enqueue_many([asynq.Task("mail", b"x" * 1_000)] * 30)

    with pytest.raises(AssertionError) as caught:
        sandbox.assert_enqueued("letter")

    assert "(10 before them)" in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) < 400


def test_a_misspelt_wish_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match="queue"):
        sandbox.assert_not_enqueued("mail", quue="critical")  # type: ignore[call-arg]
    with pytest.raises(asynq.InvalidArgumentError, match="type must be a str"):
        sandbox.enqueued(7)  # type: ignore[arg-type]
