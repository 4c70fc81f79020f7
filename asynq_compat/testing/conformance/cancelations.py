"""How does a cancellation reach the worker that runs the task?

Source: docs/semantics.md, "signals".
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from asynq_compat.ports.signalling import CancelationFeed
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.worker import GIVE_UP_AFTER_S


def _heard(queue: QueueHarness, feed: CancelationFeed, task_id: str) -> list[str]:
    """Listen until `task_id` is heard; return everything that was."""
    heard: list[str] = []

    def is_heard() -> bool:
        heard.extend(feed.next(0.5))
        return task_id in heard

    queue.wait_until(is_heard, f"the cancellation of {task_id}", lambda: heard)
    return heard


def every_subscriber_hears_it(queue: QueueHarness) -> None:
    """Nobody knows who runs the task: all servers are asked."""
    signalling = queue.broker.signalling
    feeds = [signalling.subscribe_cancelations() for _ in range(2)]

    signalling.publish_cancelation("task-1")
    signalling.publish_cancelation("task-2")

    for feed in feeds:
        assert _heard(queue, feed, "task-2") == ["task-1", "task-2"]
        feed.close()


def what_was_published_before_is_not_heard(queue: QueueHarness) -> None:
    """A task with this id may be another one by now."""
    signalling = queue.broker.signalling
    signalling.publish_cancelation("before")
    feed = signalling.subscribe_cancelations()

    signalling.publish_cancelation("after")

    assert _heard(queue, feed, "after") == ["after"]
    feed.close()


def nobody_listening_is_no_error(queue: QueueHarness) -> None:
    """Best effort, as in Asynq."""
    queue.broker.signalling.publish_cancelation("nobody runs this")


def silence_ends_with_the_wait(queue: QueueHarness) -> None:
    """`next` comes back empty."""
    feed = queue.broker.signalling.subscribe_cancelations()

    assert list(feed.next(0.05)) == []
    feed.close()


def closing_ends_a_blocked_wait(queue: QueueHarness) -> None:
    """From another thread, and twice is legal."""
    feed = queue.broker.signalling.subscribe_cancelations()
    answers: list[Sequence[str]] = []
    listener = threading.Thread(target=lambda: answers.append(feed.next(10 * GIVE_UP_AFTER_S)))
    listener.start()

    feed.close()
    feed.close()
    listener.join(GIVE_UP_AFTER_S)

    assert not listener.is_alive()
    assert [list(answer) for answer in answers] == [[]]
