"""Who gets which task, when several servers and queues share the work?"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from contextlib import ExitStack

import pytest

from asynq_compat.brokers.journal import membership
from asynq_compat.config import Config
from asynq_compat.connect import open_broker
from asynq_compat.context import Context
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.server import Server
from asynq_compat.task import Task
from asynq_compat.wire.message import TaskMessage, encode_message
from tests.server.ground import PATIENCE_S, Ground, wait_until

# As many slots as tasks that are there at the same time.
SERVERS, SLOTS = 3, 2


def enqueue(ground: Ground, *tasks: tuple[str, str]) -> None:
    """Enqueue tasks of these types in these queues, in one batch."""
    requests = []
    for type_name, queue in tasks:
        message = TaskMessage(type=type_name, id=str(uuid.uuid4()), queue=queue, retry=25, timeout=1800)
        requests.append(EnqueueRequest(queue, message.id, encode_message(message)))
    assert set(ground.broker.producing.enqueue(requests)) == {EnqueueStatus.ENQUEUED}


@pytest.mark.parametrize("order", ["urgent first", "blocking first", "blocking long before"])
@pytest.mark.parametrize("queues", [{"default": 1}, {"default": 1, "critical": 6}], ids=["one queue", "two queues"])
def test_an_urgent_task_does_not_wait_behind_a_blocked_one_while_a_slot_is_free(
    ground: Ground, order: str, queues: dict[str, int]
) -> None:
    started: Counter[str] = Counter()
    lock = threading.Lock()
    is_over = threading.Event()

    def handle(ctx: Context, task: Task) -> None:
        with lock:
            started[task.type] += 1
        if task.type == "blocking":
            is_over.wait(60)

    urgent = ("urgent", max(queues, key=queues.__getitem__))
    blocking = [("blocking", "default")] * (SERVERS * SLOTS - 1)
    with ExitStack() as stack:
        for _ in range(SERVERS):
            broker = open_broker(ground.url)
            stack.callback(broker.close)
            server = Server(broker, Config(concurrency=SLOTS, queues=queues, shutdown_timeout=30))
            server.start(handle)
            stack.callback(server.shutdown)
        stack.callback(is_over.set)
        # Quick tasks make the servers fetch ahead.
        enqueue(ground, *[("quick", "default")] * 600)
        wait_until(lambda: started["quick"] >= 590, lambda: f"{started} started")

        if order == "urgent first":
            enqueue(ground, urgent, *blocking)
        else:
            enqueue(ground, *blocking)
            if order == "blocking long before":
                wait_until(lambda: started["blocking"] >= len(blocking), lambda: f"{started} started")
            enqueue(ground, urgent)

        wait_until(lambda: started["urgent"] and started["blocking"] >= len(blocking), lambda: f"{started} started")


@pytest.mark.parametrize("busy", [0, SERVERS - 1], ids=["busy server joined first", "busy server joined last"])
def test_urgent_tasks_go_to_the_servers_with_free_slots_whoever_joined_first(ground: Ground, busy: int) -> None:
    ended: list[str] = []  # As `held`: added to and taken from in one step, by many threads.
    held: list[int] = []
    may_end = [threading.Event() for _ in range(SERVERS)]

    def handle(number: int, task: Task) -> None:
        if task.type == "ten minutes":
            held.append(number)
            may_end[number].wait(600)
            held.remove(number)
        ended.append(task.type)

    with ExitStack() as stack:
        for number in range(SERVERS):
            broker = open_broker(ground.url)
            stack.callback(broker.close)
            server = Server(broker, Config(concurrency=SLOTS, shutdown_timeout=30))
            server.start(lambda ctx, task, number=number: handle(number, task))  # type: ignore[misc]
            stack.callback(server.shutdown)
        for event in may_end:
            stack.callback(event.set)
        # Quick tasks make the servers fetch ahead.
        enqueue(ground, *[("quick", "default")] * 600)
        wait_until(lambda: ended.count("quick") >= 590, lambda: f"{Counter(ended)} have run")
        enqueue(ground, *[("ten minutes", "default")] * (SERVERS * SLOTS))
        wait_until(lambda: sorted(held) == sorted([*range(SERVERS)] * SLOTS), lambda: f"{held} run side by side")
        for number in set(range(SERVERS)) - {busy}:
            may_end[number].set()
        wait_until(lambda: held == [busy] * SLOTS, lambda: f"{held} run still")

        # More than there are free slots, one by one and at once: none of them may be given to who cannot start it.
        for _ in range(SERVERS):
            enqueue(ground, ("urgent", "default"))
        enqueue(ground, *[("urgent", "default")] * (4 * SERVERS * SLOTS))

        urgent = SERVERS + 4 * SERVERS * SLOTS
        wait_until(lambda: ended.count("urgent") == urgent, lambda: f"{Counter(ended)}: {urgent} urgent ones should")
        assert held == [busy] * SLOTS


MANY = {f"q{weight}": weight for weight in range(1, 9)}
THREE = {"critical": 6, "default": 3, "low": 1}


@pytest.mark.alone  # Where others take the processor, tasks that are asked for too late are made up for, perhaps behind those that are counted.
@pytest.mark.parametrize(
    ("weights", "slots", "lasts_s"), [(MANY, 20, 0.001), (THREE, 10, 0.0), (THREE, 100, 0.0)], ids=["many", "10", "100"]
)
def test_queues_are_served_in_proportion_to_their_weights(
    ground: Ground, weights: dict[str, int], slots: int, lasts_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A queue whose journal stands still for half a second is made up for later, perhaps behind those that are counted.
    monkeypatch.setattr(membership, "_PATIENCE_S", PATIENCE_S)
    counted = 10_000
    shares = {name: counted * weight / sum(weights.values()) for name, weight in weights.items()}
    order: list[str] = []

    async def handle(ctx: Context, task: Task) -> None:
        order.append(str(ctx.queue_name))
        if lasts_s:
            await asyncio.sleep(lasts_s)

    for name, share in shares.items():
        enqueue(ground, *[("t", name)] * int(share * 1.3))
    with ground.serving(handle, concurrency=slots, queues=weights):
        wait_until(lambda: len(order) >= counted, lambda: f"{len(order)} of {counted} have run")

    assert Counter(order[:counted]) == pytest.approx(shares, rel=0.05)
