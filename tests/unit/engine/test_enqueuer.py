"""Do the enqueues of many callers travel together, and does each get its own answer?"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from asynq_compat.compose import compose
from asynq_compat.connect import open_broker
from asynq_compat.engine.async_enqueuer import AsyncEnqueuer
from asynq_compat.engine.enqueuer import BATCH_MAX, Enqueuer, _Waiting
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.options import TaskID
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.rules.company import Company
from asynq_compat.task import Task

GIVE_UP_AFTER_S = 30


class GatedProducing:
    """A real broker's port behind a gate: what comes while it is shut waits together."""

    def __init__(self, broker: Broker) -> None:
        self._producing = broker.producing
        self.sizes: list[int] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.outage: BaseException | None = None

    def enqueue(self, requests: Sequence[EnqueueRequest]) -> Sequence[EnqueueOutcome]:
        """Wait for the gate, then pass the batch on, or fail as an outage does."""
        self.sizes.append(len(requests))
        self.entered.set()
        assert self.gate.wait(GIVE_UP_AFTER_S)
        if self.outage is not None:
            raise self.outage
        return self._producing.enqueue(requests)


@pytest.fixture
def producing() -> Iterator[GatedProducing]:
    broker = open_broker(f"memory://{uuid.uuid4()}")
    yield GatedProducing(broker)
    broker.close()


def request(task_id: str) -> EnqueueRequest:
    return compose(Task("t"), [TaskID(task_id)], 0)[0]


def enqueue_behind_a_shut_gate(
    producing: GatedProducing, threads: ThreadPoolExecutor, ids: Sequence[str]
) -> list[Future[EnqueueOutcome]]:
    """Send the first alone, let the others gather, and open the gate."""
    enqueuer = Enqueuer(producing)
    first = threads.submit(enqueuer.enqueue, request(ids[0]))
    assert producing.entered.wait(GIVE_UP_AFTER_S)
    others = [threads.submit(enqueuer.enqueue, request(task_id)) for task_id in ids[1:]]
    waiting = enqueuer._waiting
    tick = threading.Event()
    for _ in range(GIVE_UP_AFTER_S * 1_000):
        if len(waiting) == len(others):
            break
        tick.wait(0.001)
    assert len(waiting) == len(others), f"only {len(waiting)} of {len(others)} are waiting"
    producing.gate.set()
    return [first, *others]


def test_what_comes_while_a_batch_is_away_forms_the_next_one(producing: GatedProducing) -> None:
    with ThreadPoolExecutor(10) as threads:
        calls = enqueue_behind_a_shut_gate(producing, threads, ["a", "b", "c", "d", "b"])
        outcomes = [call.result(GIVE_UP_AFTER_S) for call in calls]

    assert producing.sizes == [1, 4]
    assert sorted(outcome.value for outcome in outcomes if isinstance(outcome, EnqueueStatus)) == (
        ["enqueued"] * 4 + ["id_conflict"]
    )


def test_an_outage_reaches_every_caller_and_the_next_call_goes_on(producing: GatedProducing) -> None:
    producing.outage = BrokerUnavailableError("no answer", may_have_happened=True)
    with ThreadPoolExecutor(10) as threads:
        calls = enqueue_behind_a_shut_gate(producing, threads, ["a", "b", "c"])
        failures = [call.exception(GIVE_UP_AFTER_S) for call in calls]

    assert failures == [producing.outage] * 3
    producing.outage = None
    assert Enqueuer(producing).enqueue(request("a")) is EnqueueStatus.ENQUEUED


def interrupt_main_when(condition: Callable[[], object]) -> threading.Thread:
    """Press Ctrl-C on the main thread once `condition` holds."""
    pause = threading.Event()

    def press() -> None:
        for _ in range(GIVE_UP_AFTER_S * 1_000):
            if condition():
                break
            pause.wait(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_a_caller_that_is_interrupted_while_it_waits_stops_no_other(producing: GatedProducing) -> None:
    """Ctrl-C on the main thread: it would have been the next to send."""
    enqueuer = Enqueuer(producing)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(enqueuer.enqueue, request("a"))
        assert producing.entered.wait(GIVE_UP_AFTER_S)
        presser = interrupt_main_when(lambda: enqueuer._waiting)
        with pytest.raises(KeyboardInterrupt):
            enqueuer.enqueue(request("b"))
        presser.join()
        last = threads.submit(enqueuer.enqueue, request("c"))
        producing.gate.set()

        assert first.result(GIVE_UP_AFTER_S) is EnqueueStatus.ENQUEUED
        assert last.result(GIVE_UP_AFTER_S) is EnqueueStatus.ENQUEUED
    assert producing.sizes == [1, 1]


def test_a_sender_that_is_interrupted_tells_the_others_of_an_unknown_fate(producing: GatedProducing) -> None:
    enqueuer = Enqueuer(producing)
    with ThreadPoolExecutor(2) as threads:
        presser = interrupt_main_when(lambda: producing.sizes)
        with pytest.raises(KeyboardInterrupt):
            enqueuer.enqueue(request("a"))
        presser.join()
        producing.gate.set()
        assert threads.submit(enqueuer.enqueue, request("b")).result(GIVE_UP_AFTER_S) is EnqueueStatus.ENQUEUED

    waiting = _Waiting(request("c"))
    producing.outage = KeyboardInterrupt()
    enqueuer._waiting.append(waiting)
    with pytest.raises(KeyboardInterrupt):
        enqueuer._send()
    assert isinstance(waiting.error, BrokerUnavailableError)
    assert waiting.error.may_have_happened


def test_a_lone_caller_is_sent_at_once_and_alone(producing: GatedProducing) -> None:
    producing.gate.set()
    enqueuer = Enqueuer(producing)

    assert [enqueuer.enqueue(request(task_id)) for task_id in "aab"] == [
        EnqueueStatus.ENQUEUED,
        EnqueueStatus.ID_CONFLICT,
        EnqueueStatus.ENQUEUED,
    ]
    assert producing.sizes == [1, 1, 1]


def test_coroutines_that_enqueue_at_the_same_time_travel_together(producing: GatedProducing) -> None:
    producing.gate.set()

    async def all_of_them() -> list[EnqueueOutcome]:
        enqueuer = AsyncEnqueuer(producing, threads, Company(0.0))
        outcomes = await asyncio.gather(*(enqueuer.enqueue(request(str(number))) for number in range(2_500)))
        await enqueuer.drain()
        return outcomes

    with ThreadPoolExecutor(1) as threads:
        outcomes = asyncio.run(all_of_them())

    assert outcomes == [EnqueueStatus.ENQUEUED] * 2_500
    assert producing.sizes == [BATCH_MAX, BATCH_MAX, 500]


def test_a_task_of_many_that_come_one_by_one_waits_for_the_next(
    producing: GatedProducing, monkeypatch: pytest.MonkeyPatch
) -> None:
    producing.gate.set()
    company = Company(5.0)
    for _ in range(200):
        company.wait_s(time.monotonic(), 1)

    async def five() -> list[EnqueueOutcome]:
        turn, everybody = asyncio.sleep, asyncio.Event()

        async def until_everybody_is_there(_: float) -> None:
            await everybody.wait()

        monkeypatch.setattr(asyncio, "sleep", until_everybody_is_there)
        enqueuer = AsyncEnqueuer(producing, threads, company)
        calls = [asyncio.ensure_future(enqueuer.enqueue(request("0")))]
        for _ in range(3):
            await turn(0)  # The first one's wait has begun.
        assert producing.sizes == []
        calls += [asyncio.ensure_future(enqueuer.enqueue(request(str(number)))) for number in range(1, 5)]
        await turn(0)
        everybody.set()
        return list(await asyncio.gather(*calls))

    with ThreadPoolExecutor(1) as threads:
        assert asyncio.run(five()) == [EnqueueStatus.ENQUEUED] * 5
    assert producing.sizes == [5]


def test_a_cancelled_coroutine_takes_no_other_with_it(producing: GatedProducing) -> None:
    async def two() -> tuple[EnqueueOutcome, bool]:
        enqueuer = AsyncEnqueuer(producing, threads, Company(0.0))
        first, second = (asyncio.ensure_future(enqueuer.enqueue(request(task_id))) for task_id in "ab")
        await asyncio.get_running_loop().run_in_executor(None, producing.entered.wait, GIVE_UP_AFTER_S)
        first.cancel()
        producing.gate.set()
        outcome = await second
        return outcome, first.cancelled()

    with ThreadPoolExecutor(1) as threads:
        assert asyncio.run(two()) == (EnqueueStatus.ENQUEUED, True)


def test_an_outage_reaches_every_coroutine(producing: GatedProducing) -> None:
    producing.outage = BrokerUnavailableError("no answer")
    producing.gate.set()

    async def three() -> list[EnqueueOutcome | BaseException]:
        enqueuer = AsyncEnqueuer(producing, threads, Company(0.0))
        calls = [enqueuer.enqueue(request(task_id)) for task_id in "abc"]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    with ThreadPoolExecutor(1) as threads:
        assert asyncio.run(three()) == [producing.outage] * 3
