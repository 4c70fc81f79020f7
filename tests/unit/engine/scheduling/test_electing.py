"""Is an entry the same in every scheduler, and another one where it is another?"""

from __future__ import annotations

import uuid
from datetime import UTC

import pytest

from asynq_compat.engine.scheduling.agenda import Entry
from asynq_compat.engine.scheduling.electing import identity_of, task_id_of
from asynq_compat.options import MaxRetry, Option, Queue
from asynq_compat.ports.system_zones import find_zone
from asynq_compat.rules.cron.parsing import parse_cron
from asynq_compat.task import Task


def entry(task: Task, *options: Option, spec: str = "@every 1m", entry_id: str = "e") -> Entry:
    return Entry(entry_id, spec, task, options, parse_cron(spec, UTC, find_zone))


def test_the_same_entry_is_the_same_in_every_scheduler() -> None:
    one = entry(Task("t", b"p", headers={"a": "1", "b": "2"}), Queue("q"), entry_id="one")
    other = entry(Task("t", b"p", headers={"b": "2", "a": "1"}), Queue("q"), entry_id="other")

    assert identity_of(one) == identity_of(other)


@pytest.mark.parametrize(
    "other",
    [
        entry(Task("t", b"p"), Queue("q"), spec="@every 60s"),
        entry(Task("u", b"p"), Queue("q")),
        entry(Task("t", b"q"), Queue("q")),
        entry(Task("t", b"p"), Queue("r")),
        entry(Task("t", b"p"), Queue("q"), MaxRetry(3)),
        entry(Task("t", b"p", headers={"a": "1"}), Queue("q")),
        entry(Task("tp", b""), Queue("q")),
    ],
    ids=["spec", "type", "payload", "queue", "option", "header", "where one ends and the next begins"],
)
def test_whatever_makes_another_task_makes_another_entry(other: Entry) -> None:
    assert identity_of(other) != identity_of(entry(Task("t", b"p"), Queue("q")))


def test_a_firings_task_has_an_id_of_its_own_that_looks_like_asynqs() -> None:
    identity = identity_of(entry(Task("t")))
    ids = [task_id_of(identity, at_s) for at_s in (1, 2)]

    assert ids == [str(uuid.UUID(one)) for one in ids]
    assert ids[0] != ids[1]
    assert task_id_of(identity, 1) == ids[0]
