"""What does a semaphore ask of a context, and what does it tell its user?"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

import asynq_compat as asynq
from asynq_compat.errors import ContextCanceledError, InvalidArgumentError, NotFoundError, ServerStateError


class TaskContext(asynq.Context):
    """A handler's context."""

    @property
    def task_id(self) -> str:
        return "task-1"

    @property
    def deadline(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture
def url() -> str:
    return f"memory://{uuid.uuid4()}"


def test_a_token_is_held_until_it_is_released(url: str) -> None:
    ctx = TaskContext()
    with asynq.new_semaphore(url, "mail", 1) as one, asynq.Semaphore(url, "mail", 1) as other:
        assert one.acquire(ctx)
        assert not other.acquire(ctx)

        other.release(ctx)

        assert other.acquire(ctx)


def test_a_context_with_a_value_is_that_of_its_task(url: str) -> None:
    with asynq.Semaphore(url, "mail", 1) as semaphore:
        assert semaphore.acquire(TaskContext().with_value("a", "b"))
        semaphore.release(TaskContext())


def test_whose_context_is_over_gets_no_token_but_gives_one_back(url: str) -> None:
    """Go's release fails then, and the token is held up to the deadline."""
    ctx = TaskContext()
    with asynq.Semaphore(url, "mail", 1) as semaphore:
        assert semaphore.acquire(ctx)
        ctx.cancel()

        with pytest.raises(ContextCanceledError):
            semaphore.acquire(ctx)
        semaphore.release(ctx)
        with pytest.raises(NotFoundError, match='no token found for task "task-1"'):
            semaphore.release(ctx)


@pytest.mark.parametrize(
    ("scope", "max_tokens", "message"),
    [
        ("s", 0, "maxTokens cannot be less than 1"),
        ("s", True, "max_tokens must be an integer up to 1000000, got True"),
        ("s", 1.5, "max_tokens must be an integer"),
        ("s", 1_000_001, "got 1000001"),
        (" ", 1, "scope should not be empty"),
        (b"s", 1, "scope must be text, got b's'"),
        ("\ud800", 1, "scope must be text"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_opened(scope: object, max_tokens: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        asynq.Semaphore("redis://localhost:1", scope, max_tokens)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="did you mean max_tokens="):
        asynq.Semaphore("redis://localhost:1", "s", max_token=1)  # type: ignore[call-arg]


def test_a_closed_semaphore_says_so_and_leaves_a_broker_open_that_it_was_given(url: str) -> None:
    with asynq.Semaphore(url, "mail", 1) as opened:
        semaphore = asynq.Semaphore(opened._held.broker, "mail", 1)
        semaphore.close()
        semaphore.close()

        with pytest.raises(ServerStateError, match="the semaphore is closed; make another Semaphore"):
            semaphore.acquire(TaskContext())
        with pytest.raises(ServerStateError):
            semaphore.release(TaskContext())
        assert opened.acquire(TaskContext())


def test_only_a_handlers_context_will_do(url: str) -> None:
    with asynq.Semaphore(url, "mail", 1) as semaphore:
        with pytest.raises(InvalidArgumentError, match="provided context must have a deadline"):
            semaphore.acquire(asynq.Context())
        with pytest.raises(InvalidArgumentError, match="provided context is missing task ID value"):
            semaphore.release(asynq.Context())
