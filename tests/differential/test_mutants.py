"""Would the differential test notice if a line of a Lua file were wrong?

Each mutant is a small wrong change, of the kind that a hurried hand makes. It has to apply, and it has to be caught.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from asynq_compat.brokers.redis import scripts
from tests.differential.steps import GROUP_WEIGHTS, INSPECTOR_WEIGHTS, REDIS_WEIGHTS, WEIGHTS, sequence
from tests.differential.transitions import carry_out
from tests.differential.world import Divergence, Ground, World

# So many sequences without a divergence, and the mutant has got away. The name of a mutant alone decides which they are; the one that hides
# best needs some fifty.
SEQUENCES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong change: in `file`, `right` stands once and becomes `wrong`."""

    name: str
    file: str
    right: str
    wrong: str


MUTANTS = (
    Mutant(
        "a task enters the line at its head",
        "fragments/storing.lua",
        'if #waiting > 0 then\n    call("LPUSH", pending',
        'if #waiting > 0 then\n    call("RPUSH", pending',
    ),
    Mutant("a unique task forgets its lock's key", "fragments/storing.lua", 'call("HSET", task, "unique_key", lock)', "local _ = lock"),
    Mutant("a lock holds one second too long", "fragments/storing.lua", '"NX", "EX", ttl_s', '"NX", "EX", ttl_s + 1'),
    Mutant("a batch is taken back to front", "take.lua", "for at = #waiting, 1, -1 do", "for at = 1, #waiting do"),
    Mutant("a taken task still says since when it is pending", "take.lua", 'call("HDEL", task, "pending_since")', "local _ = task"),
    Mutant("a done task frees whoever's lock", "settle_done.lua", 'lock ~= "" and redis.call("GET", lock) == id', 'lock ~= ""'),
    Mutant("what is no failure counts as one", "settle_retry.lua", 'is_failure == "1"', 'is_failure ~= ""'),
    Mutant("a requeued task goes to the end of the line", "settle_requeue.lua", '"RPUSH"', '"LPUSH"'),
    Mutant("an archived task keeps its old message", "settle_archive.lua", '"msg", message, "state", "archived"', '"state", "archived"'),
    Mutant("a due task waits one second too long", "forward_due.lua", '"-inf", now_s', '"-inf", "(" .. now_s'),
    Mutant("what is retried goes before what is scheduled", "forward_due.lua", "local moved = forward(scheduled)", "local moved = forward(retry) + forward(scheduled)"),
    Mutant("a completed task is kept one second too long", "delete_expired_completed.lua", '"-inf", now_s', '"-inf", "(" .. now_s'),
    Mutant("a task run by hand jumps the line", "run_task.lua", '"LPUSH"', '"RPUSH"'),
    Mutant("all that are run by hand jump the line", "run_all.lua", '"LPUSH"', '"RPUSH"'),
    Mutant("a group that was dissolved stays", "run_all.lua", 'redis.call("SREM", groups, group)', "local _ = groups"),
    Mutant("all that are archived keep their state", "archive_all.lua", 'redis.call("HSET", task_prefix .. id, "state", "archived")', "local _ = task_prefix"),
    Mutant("deleting all leaves their locks", "fragments/deleting.lua", 'redis.call("DEL", lock)', "local _ = lock"),
    Mutant("a removed queue leaves its archived tasks", "remove_queue.lua", "KEYS[4], KEYS[5] }", "KEYS[4], KEYS[4] }"),
    Mutant("a new payload is forgotten", "update_payload.lua", 'redis.call("HSET", task, "msg", message)', "local _ = message"),
    Mutant("deleting a task leaves its lock", "delete_task.lua", 'redis.call("DEL", lock)', "local _ = lock"),
    Mutant("a group is due one second too late", "aggregate.lua", "last > now_s - grace_s", "last >= now_s - grace_s"),
    Mutant("a full group is one that has more", "aggregate.lua", "size >= size_max", "size > size_max"),
    Mutant("a group's first task waits a second longer", "aggregate.lua", "first <= now_s - delay_s", "first < now_s - delay_s"),
    Mutant("a set takes one more", "aggregate.lua", '"ZRANGE", group, 0, size_max - 1', '"ZRANGE", group, 0, size_max > 0 and size_max or -1'),
    Mutant("a group that gave all its tasks stays listed", "aggregate.lua", "count == size", "count > size"),
    Mutant("a set's tasks stay", "delete_set.lua", 'redis.call("DEL", task_prefix .. id)', "local _ = id"),
    Mutant("a deleted set is remembered", "delete_set.lua", 'redis.call("ZREM", sets, set)', "local _ = sets"),
    Mutant("a set is given up one second too late", "reclaim_sets.lua", '"ZRANGEBYSCORE", sets, "-inf", now_s', '"ZRANGEBYSCORE", sets, "-inf", "(" .. now_s'),
    Mutant("a group's name ends at its first colon", "reclaim_sets.lua", '"^(.*):[^:]*$"', '"^(.*g:[^:]*):.*$"'),
    Mutant("a group that was left empty stays", "fragments/leaving.lua", 'redis.call("SREM", groups, group)', "local _ = groups"),
    Mutant("a day's counter never ends", "fragments/counting.lua", 'redis.call("EXPIREAT", day, day_expires_at)', "local _ = day"),
    Mutant("a scheduler's entries stand in the order in which they were told", "scheduler_entries.lua", '"LPUSH"', '"RPUSH"'),
    Mutant("a history keeps the oldest events", "enqueue_events.lua", '"ZADD", history, now_s', '"ZADD", history, "NX", -now_s'),
)  # fmt: skip

OF_INSPECTORS = ("run_all.lua", "archive_all.lua", "fragments/deleting.lua", "remove_queue.lua", "update_payload.lua")
OF_GROUPS = ("aggregate.lua", "delete_set.lua", "reclaim_sets.lua", "fragments/leaving.lua")


@pytest.fixture
def lua_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the Lua files, which the broker reads from now on."""
    folder = tmp_path / "lua"
    shutil.copytree(scripts.FOLDER, folder)
    monkeypatch.setattr(scripts, "FOLDER", folder)
    scripts.script.cache_clear()
    yield folder
    scripts.script.cache_clear()


def _weights(file: str) -> dict[str, int]:
    """Return how often each step is drawn for a mutant of this file."""
    if file in OF_GROUPS:
        return GROUP_WEIGHTS
    return INSPECTOR_WEIGHTS if file in OF_INSPECTORS else WEIGHTS | REDIS_WEIGHTS


def _run_sequences(ground: Ground, weights: dict[str, int], random: Random) -> None:
    for _ in range(SEQUENCES_MAX):
        world = World(ground, with_machine=False)
        try:
            world.run(sequence(weights, random), carry_out)
        finally:
            world.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(ground: Ground, lua_folder: Path, mutant: Mutant) -> None:
    path = lua_folder / mutant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant.right) == 1, f"{mutant.file} has changed: plant this mutant anew"
    path.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")

    with pytest.raises(Divergence):
        _run_sequences(ground, _weights(mutant.file), Random(mutant.name))
