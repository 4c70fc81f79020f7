"""Who may hold a token of a semaphore, and how does it become free?

Source: docs/semantics.md, "acquire_token".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import passes


def _acquire(queue: QueueHarness, task_id: str, *, max_tokens: int = 2, in_s: int = 60, scope: str = "") -> bool:
    """Ask for a token of a semaphore that nobody else uses."""
    deadline_s = queue.clock.now_s() + in_s
    return queue.broker.limiting.acquire(scope or f"scope of {queue.queue}", max_tokens, task_id, deadline_s)


def _release(queue: QueueHarness, task_id: str) -> bool:
    return queue.broker.limiting.release(f"scope of {queue.queue}", task_id)


def as_many_hold_one_as_there_are(queue: QueueHarness) -> None:
    """The next one is told no, and does not wait."""
    assert [_acquire(queue, f"task-{number}") for number in range(4)] == [True, True, False, False]


def as_many_get_one_where_many_ask_at_once(queue: QueueHarness) -> None:
    """What goes out together is answered one by one; so, too, where each gives its token back and asks again."""
    with ThreadPoolExecutor(12) as askers:
        answers = list(askers.map(lambda number: _acquire(queue, f"task-{number}", max_tokens=5), range(12)))
        holders = [f"task-{number}" for number, has_token in enumerate(answers) if has_token]
        assert len(holders) == 5
        assert all(askers.map(lambda task_id: _release(queue, task_id), holders))
        again = list(askers.map(lambda number: _acquire(queue, f"task-{number}", max_tokens=5), range(12)))

    assert again.count(True) == 5


def a_token_given_back_is_anybodys(queue: QueueHarness) -> None:
    """In whatever order."""
    assert _acquire(queue, "first")
    assert _acquire(queue, "second")

    assert _release(queue, "first")

    assert _acquire(queue, "third")
    assert not _acquire(queue, "fourth")


def what_is_not_held_cannot_be_given_back(queue: QueueHarness) -> None:
    """Neither twice, nor by a task that was told no: no other loses its token by it."""
    assert _acquire(queue, "holder", max_tokens=1)
    assert not _acquire(queue, "other", max_tokens=1)

    assert not _release(queue, "other")
    assert not _acquire(queue, "other", max_tokens=1)
    assert _release(queue, "holder")
    assert not _release(queue, "holder")


def a_holder_that_asks_again_needs_a_free_place(queue: QueueHarness) -> None:
    """As in Go: it is not looked for among the holders; with a place free it holds one token still."""
    assert _acquire(queue, "holder", max_tokens=1)
    assert not _acquire(queue, "holder", max_tokens=1)

    assert _acquire(queue, "holder", max_tokens=2)
    assert _acquire(queue, "other", max_tokens=2)
    assert not _acquire(queue, "third", max_tokens=2)

    assert _release(queue, "holder")
    assert not _release(queue, "holder")


def scopes_have_nothing_to_do_with_each_other(queue: QueueHarness) -> None:
    """One task may hold a token of each."""
    assert _acquire(queue, "task", max_tokens=1)
    assert _acquire(queue, "task", max_tokens=1, scope=f"other scope of {queue.queue}")
    assert _acquire(queue, "task", max_tokens=1, scope=f"{{{queue.queue}}}: über:*")


def whoever_asks_says_how_many_there_are(queue: QueueHarness) -> None:
    """A deployment with a smaller number waits until enough were given back."""
    assert [_acquire(queue, f"task-{number}", max_tokens=3) for number in range(3)] == [True] * 3

    assert not _acquire(queue, "new", max_tokens=2)
    assert _release(queue, "task-0")
    assert not _acquire(queue, "new", max_tokens=2)
    assert _release(queue, "task-1")
    assert _acquire(queue, "new", max_tokens=2)


@passes(12)
def a_token_that_nobody_gives_back_is_free_a_second_behind_its_deadline(queue: QueueHarness) -> None:
    """The task's process may be gone (G36)."""
    assert _acquire(queue, "lost", max_tokens=1, in_s=10)

    queue.pass_s(10)
    assert not _acquire(queue, "next", max_tokens=1)
    queue.pass_s(2)

    assert _acquire(queue, "next", max_tokens=1)
    assert not _release(queue, "lost")


@passes(12)
def a_holder_that_was_let_on_holds_up_to_the_new_deadline(queue: QueueHarness) -> None:
    """The old one does not count any more."""
    assert _acquire(queue, "holder", in_s=10)
    assert _acquire(queue, "holder", in_s=100)

    queue.pass_s(12)

    assert _acquire(queue, "other")
    assert not _acquire(queue, "third")
