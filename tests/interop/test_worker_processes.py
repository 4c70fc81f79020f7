"""Is every task accounted for when worker processes on a journal die and oversleep?

The story is told on both journals at once, since each waits for a lease to run out: about 40 s in all.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

import asynq_compat as asynq
from tests.interop.worker_story import KILLED, STEADY, STOPPED, Story, tell

Telling = Callable[[str], Story]
# Four times what it takes, for a busy machine.
_STORY_S = 300.0
# Most of it is the story of both journals, which whoever is first waits for.
pytestmark = pytest.mark.timeout(2 * _STORY_S)


@pytest.fixture(scope="module")
def telling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telling]:
    """Return ``telling(kind)``: the story on that journal; both are begun together where Kafka is there."""
    urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('file') / 'tasks.db'}"}
    try:
        cluster = request.getfixturevalue("kafka_cluster")
        urls["kafka"] = f"redpanda://{cluster.bootstrap}?namespace=worker-processes-{uuid.uuid4().hex[:8]}"
    except pytest.skip.Exception as missing:
        why_not = str(missing)
    with ThreadPoolExecutor(len(urls)) as pool:
        stories: dict[str, Future[Story]] = {
            kind: pool.submit(tell, url, tmp_path_factory.mktemp(kind)) for kind, url in urls.items()
        }

        def told(kind: str) -> Story:
            if kind not in stories:
                pytest.skip(why_not)
            return stories[kind].result(_STORY_S)

        yield told


@pytest.fixture(scope="module", params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def story(request: pytest.FixtureRequest, telling: Telling) -> Story:
    """The story on each journal in turn."""
    return telling(str(request.param))


def test_every_task_is_completed(story: Story) -> None:
    states = Counter(info.state for info in story.tasks.values())

    assert states == {asynq.TaskState.COMPLETED: len(story.tasks)}
    assert story.queue is not None
    assert story.queue.size == len(story.tasks)


def test_no_task_is_settled_twice(story: Story) -> None:
    """Every task ended well once, and each failure that was counted is in its own message."""
    retried = sum(info.retried for info in story.tasks.values())

    assert story.queue is not None
    assert story.queue.failed_total == retried
    assert story.queue.processed_total == len(story.tasks) + retried


def test_no_retry_is_counted_for_a_task_that_never_started(story: Story) -> None:
    started = {(line.id, line.attempt) for line in story.lines if line.event == "start"}

    counted = [(task_id, n) for task_id, info in story.tasks.items() for n in range(info.retried + 1)]

    unseen = [(task_id, n) for task_id, n in counted if (task_id, n) not in started]
    # The killed one may have died between its word that a handler begins and the first line of that handler.
    dying = [
        (task_id, n)
        for task_id, n in unseen
        if n == story.tasks[task_id].retried - 1 and story.tasks[task_id].last_err == "asynq: task lease expired"
    ]
    assert unseen == dying[:1]


def test_an_attempt_is_counted_only_when_it_failed_or_its_worker_was_lost(story: Story) -> None:
    ended = {(line.id, line.attempt) for line in story.lines if line.event == "end" and line.worker == STEADY}
    failed = Counter(line.id for line in story.lines if line.event == "failed")

    lost = [
        task_id
        for task_id, info in story.tasks.items()
        if info.retried > failed[task_id]
        and not any(line.id == task_id and line.worker in (KILLED, STOPPED) for line in story.lines)
    ]

    assert lost == []
    assert [(task_id, n) for task_id, n in ended if n < story.tasks[task_id].retried] == []


def test_what_the_lost_workers_held_is_done_by_another_in_a_second_attempt(story: Story) -> None:
    held = {task_id: worker for task_id, worker in story.held_by.items() if worker != STEADY}

    assert set(held.values()) == {KILLED, STOPPED}
    assert {task_id: story.tasks[task_id].retried for task_id in held} == dict.fromkeys(held, 1)
    assert all(story.tasks[task_id].last_err == "asynq: task lease expired" for task_id in held)


def test_who_overslept_says_so_and_works_on(story: Story) -> None:
    assert "that it held will be recovered" in story.logs[STOPPED]
    assert story.exit_codes[STOPPED] == story.exit_codes[STEADY] == 0, story.logs


def test_a_unique_lock_is_held_as_long_as_the_task_lives_and_no_longer(story: Story) -> None:
    assert story.duplicates_refused == len(story.held_by)
    assert story.locks_left == 0
