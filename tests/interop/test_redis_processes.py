"""Do a program and its forked children, which inherit a client, get their own answers from Redis?"""

from __future__ import annotations

import os
import threading

import pytest

from asynq_compat.client import Client
from asynq_compat.inspector import Inspector
from asynq_compat.task import Task

pytestmark = [pytest.mark.redis, pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")]
CHILDREN = 6
TASKS_EACH = 60


def enqueue_from(client: Client, inspector: Inspector, who: int) -> None:
    """Enqueue and look: an answer that was meant for another process would tell of another task, or be lost."""
    for number in range(TASKS_EACH):
        task_id = f"{who}-{number}"
        client.enqueue(Task("t"), task_id=task_id)
        assert inspector.get_task_info("default", task_id).id == task_id


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_client_is_of_use_in_forked_children_and_in_their_parent(redis_url: str, *, is_busy: bool) -> None:
    """As a web server does that loads its program before it forks; a call may be under way at that moment."""
    is_over = threading.Event()

    with Client(redis_url) as client, Inspector(redis_url) as inspector:
        client.enqueue(Task("before"), queue="other")
        inspector.queues()  # Both have a connection that the children inherit.

        def keep_enqueueing() -> None:
            while not is_over.is_set():
                client.enqueue(Task("beside"), queue="other")

        beside = threading.Thread(target=keep_enqueueing)
        if is_busy:
            beside.start()
        children = []
        for who in range(CHILDREN):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    enqueue_from(client, inspector, who)
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        enqueue_from(client, inspector, CHILDREN)
        ended = [wait_for(child) for child in children]
        is_over.set()
        if is_busy:
            beside.join()

        assert ended == [0] * CHILDREN
        assert inspector.get_queue_info("default").pending == (CHILDREN + 1) * TASKS_EACH


def wait_for(child: int) -> int:
    """Return the child's exit code; one that hangs is ended by its id."""
    ended: list[int] = []
    waiter = threading.Thread(target=lambda: ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
    waiter.start()
    waiter.join(60)
    if waiter.is_alive():
        os.kill(child, 9)
        waiter.join()
    return ended[0]
