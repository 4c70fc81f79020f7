"""Does the account of a run on Redis notice what is wrong?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.chaos.account import Account
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.on_redis.account import settle

PREFIX = "asynq:{default}:"


class Scene:
    """A run in which one task of each sort was asked for, run and settled, as it should be."""

    def __init__(self, url: str, folder: Path) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True, encoding_errors="replace")
        self.produced, self.worked = Ledger(folder / "producer-1.1"), Ledger(folder / "worker-1.1")
        self._url, self._folder = url, folder
        for task_id, kind, place in (("p", "plain", ""), ("k", "kept", "completed"), ("r", "refused", "archived")):
            self.acknowledge(task_id, kind)
            self.end(task_id, kind)
            if place:
                self.keep(task_id, place)

    def acknowledge(self, task_id: str, kind: str) -> None:
        self.produced.note(event="asked", kind=kind)
        self.produced.note(event="acknowledged", kind=kind, id=task_id)

    def end(self, task_id: str, kind: str) -> None:
        self.worked.note(event="end", kind=kind, id=task_id, attempt=0)

    def keep(self, task_id: str, place: str, message: bytes = b"m") -> None:
        self.redis.zadd(PREFIX + place, {task_id: 1})
        self.redis.hset(f"{PREFIX}t:{task_id}", "msg", message)

    def settle(self) -> Account:
        return settle(self.redis, self._folder, Fleet(self._url, self._folder, {}))


@pytest.fixture
def scene(redis_url: str, tmp_path: Path) -> Scene:
    return Scene(redis_url, tmp_path)


@pytest.mark.redis
def test_a_run_in_which_all_went_well_has_no_problem(scene: Scene) -> None:
    assert scene.settle().problems == []


def _never_ran(scene: Scene) -> None:
    scene.acknowledge("lost", "plain")


def _ran_and_is_gone(scene: Scene) -> None:
    scene.acknowledge("lost", "kept")
    scene.end("lost", "kept")


def _is_archived(scene: Scene) -> None:
    _ran_and_is_gone(scene)
    scene.keep("lost", "archived")


def _was_archived_without_a_reason(scene: Scene) -> None:
    scene.acknowledge("lost", "deadly")
    scene.keep("lost", "archived")


def _was_never_asked_for(scene: Scene) -> None:
    scene.end("stranger", "plain")


@pytest.mark.redis
@pytest.mark.parametrize(
    ("befalls", "words"),
    [
        (_never_ran, "1 tasks were acknowledged and no handler came to its end: lost"),
        (_ran_and_is_gone, "1 tasks were acknowledged and are not completed: lost"),
        (_is_archived, "1 tasks are archived and should be completed: lost"),
        (_was_archived_without_a_reason, "1 tasks were acknowledged and no handler came to its end: lost"),
        (_was_never_asked_for, "1 tasks nobody asked for; only 0 went without an answer"),
        (lambda scene: scene.keep("p", "completed"), "1 tasks are kept and nobody asked for that: p"),
        (lambda scene: scene.redis.hset(f"{PREFIX}t:ghost", "msg", "m"), "1 tasks are stored and in no list: ghost"),
        (lambda scene: scene.redis.delete(f"{PREFIX}t:k"), "1 tasks are listed and not stored: k"),
        (lambda scene: scene.redis.set(f"{PREFIX}unique:x", "p"), "1 tasks left their lock behind"),
        (lambda scene: scene.redis.lpush(f"{PREFIX}active", "k"), "tasks that wait or run, and leases"),
    ],
)
def test_what_is_wrong_is_noticed(scene: Scene, befalls: Callable[[Scene], object], words: str) -> None:
    befalls(scene)

    assert any(problem.startswith(words) for problem in scene.settle().problems), scene.settle().problems


@pytest.mark.redis
def test_a_task_whose_answer_was_lost_is_no_stranger(scene: Scene) -> None:
    scene.produced.note(event="asked", kind="plain")
    scene.produced.note(event="unanswered", kind="plain", error="gone")
    scene.end("stored all the same", "plain")

    account = scene.settle()

    assert account.problems == []
    assert account.counts["stored, answer lost"] == 1


@pytest.mark.redis
@pytest.mark.parametrize("error", [b"asynq: task lease expired", b"worker process 11 died (signal 9)"])
def test_what_is_not_retried_is_archived_with_its_worker(scene: Scene, error: bytes) -> None:
    scene.acknowledge("d", "deadly")
    scene.keep("d", "archived", b"\xff" + error)

    account = scene.settle()

    assert account.problems == []
    assert account.counts["archived, its worker was lost"] == 1


@pytest.mark.redis
def test_what_a_full_archive_has_no_room_for_is_not_missed(scene: Scene) -> None:
    scene.acknowledge("refused early", "refused")
    scene.end("refused early", "refused")
    scene.acknowledge("deadly early", "deadly")
    assert len(scene.settle().problems) == 2

    # One is there; so many in all are what Go and Python leave there.
    with scene.redis.pipeline() as pipe:
        for number in range(9_998):
            pipe.zadd(f"{PREFIX}archived", {f"a{number}": 1})
            pipe.hset(f"{PREFIX}t:a{number}", "msg", "m")
        pipe.execute()

    assert scene.settle().problems == []
