"""Does the doctor see what is wrong with a Redis or a journal, mend what can be mended, and leave the rest alone?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kafka.admin import ConfigResource, KafkaAdminClient

import asynq_compat as asynq
from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.testing.clock import VirtualClock
from tests.cli.conftest import Ask
from tests.services.kafka import KafkaCluster
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

# A name that would mean something else as a pattern.
QUEUE = "q[1]*"
KEY = f"asynq:{{{QUEUE}}}:"


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as connection:
        yield connection


@pytest.fixture
def sick(redis_url: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> asynq.Client:
    """A Redis in which somebody else has deleted and moved things; the environment names it."""
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", redis_url)
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        for name in ("well", "no_lease", "lease_alone", "stray", "empty_stray"):
            client.enqueue(asynq.Task(name), queue=QUEUE, task_id=name)
        client.enqueue(asynq.Task("leftover"), queue=QUEUE, task_id="leftover")
        client.enqueue(asynq.Task("later"), queue=QUEUE, task_id="later", process_in=3600)
        client.enqueue(asynq.Task("grouped"), queue=QUEUE, task_id="grouped", group="g")
        client.enqueue(asynq.Task("in_set"), queue=QUEUE, task_id="in_set", group="g")
        inspector.archive_task(QUEUE, "leftover")
    raw.zrem(f"{KEY}g:g", "in_set")
    raw.zadd(f"{KEY}g:g:set", {"in_set": 1})
    raw.zadd(f"{KEY}aggregation_sets", {f"{KEY}g:g:set": 9_999_999_999})
    raw.zrem(f"{KEY}archived", "leftover")
    raw.lrem(f"{KEY}pending", 0, "no_lease")
    raw.lpush(f"{KEY}active", "no_lease")
    raw.hset(f"{KEY}t:no_lease", "state", "active")
    raw.zadd(f"{KEY}lease", {"lease_alone": 1})
    raw.lrem(f"{KEY}pending", 0, "stray")
    raw.lrem(f"{KEY}pending", 0, "empty_stray")
    raw.hdel(f"{KEY}t:empty_stray", "msg")
    raw.lpush(f"{KEY}pending", "ghost1")
    raw.zadd(f"{KEY}scheduled", {"ghost2": 9_999_999_999})
    raw.zadd("asynq:servers", {"asynq:servers:{host:1:gone}": 1})
    raw.zadd("asynq:servers", {"asynq:servers:{host:2:lives}": 9_999_999_999})
    return client


def _found(told: Any) -> dict[str, list[str]]:
    return {one["check"]: sorted(one["names"]) for one in told["findings"] if one["remedy"]}


ALL_FAULTS = {
    "stale_servers": ["servers:{host:1:gone}"],
    "active_without_lease": ["no_lease"],
    "lease_without_active": ["lease_alone"],
    "ghosts": ["ghost1", "ghost2"],
    "strays": ["empty_stray", "stray"],
    "archive_leftovers": ["leftover"],
}


@pytest.mark.usefixtures("sick")
def test_everything_that_is_wrong_is_found_and_nothing_else(ask: Ask) -> None:
    answer = ask("doctor", "--json")

    assert answer.code == 2
    assert answer.json()["severity"] == "problem"
    assert _found(answer.json()) == ALL_FAULTS
    for_people = ask("doctor").out
    assert "ids in lists that have no task: " in for_people
    assert "--repair mends what can be mended" in for_people


@pytest.mark.usefixtures("sick")
def test_looking_changes_nothing(ask: Ask, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:

        def everything() -> dict[bytes, object]:
            return {key: connection.dump(key) for key in sorted(connection.scan_iter())}

        before = everything()
        ask("doctor")

        assert everything() == before


@pytest.mark.usefixtures("sick")
def test_what_can_be_mended_is_mended(ask: Ask, raw: redis.Redis, redis_url: str) -> None:
    answer = ask("doctor", "--repair", "--yes", "--json")

    told = answer.json()
    assert {one["check"]: one["count"] for one in told["repaired"]} == {
        name: len(ids) for name, ids in ALL_FAULTS.items()
    }
    assert _found(told) == {}
    now_s = int(raw.time()[0])
    assert now_s < float(str(raw.zscore(f"{KEY}lease", "no_lease"))) <= now_s + 31
    assert raw.zrange(f"{KEY}lease", 0, -1) == ["no_lease"]
    assert raw.lrange(f"{KEY}pending", 0, -1) == ["lease_alone", "well"]
    assert raw.zrange(f"{KEY}scheduled", 0, -1) == ["later"]
    assert raw.exists(f"{KEY}t:leftover", f"{KEY}t:empty_stray") == 0
    assert raw.zrange("asynq:servers", 0, -1) == ["asynq:servers:{host:2:lives}"]
    assert ask("task", "run", "-q", QUEUE, "-i", "stray").code == 0
    with asynq.Inspector(redis_url) as inspector:
        assert [task.id for task in inspector.list_pending_tasks(QUEUE)] == ["well", "lease_alone", "stray"]


@pytest.mark.usefixtures("sick")
def test_a_group_that_is_back_from_a_set_is_well(ask: Ask, raw: redis.Redis, redis_url: str) -> None:
    """Asynq does not announce it in the set of groups: its next task does, and then all of them are aggregated."""
    with asynq.Client(redis_url) as client:
        client.enqueue(asynq.Task("grouped"), queue=QUEUE, task_id="back", group="b")
    raw.srem(f"{KEY}groups", "b")

    assert _found(ask("doctor", "--json").json()) == ALL_FAULTS
    ask("doctor", "--repair", "--yes")
    assert raw.hget(f"{KEY}t:back", "state") == "aggregating"
    assert raw.zrange(f"{KEY}g:b", 0, -1) == ["back"]
    assert raw.zscore(f"{KEY}archived", "back") is None


@pytest.mark.usefixtures("sick")
def test_a_group_of_ghosts_alone_is_gone_with_them(ask: Ask, raw: redis.Redis, redis_url: str) -> None:
    with asynq.Client(redis_url) as client:
        client.enqueue(asynq.Task("grouped"), queue=QUEUE, task_id="back", group="b")
        client.enqueue(asynq.Task("grouped"), queue=QUEUE, task_id="well grouped", group="h")
    raw.delete(f"{KEY}t:back")

    ask("doctor", "--repair", "--yes")

    with asynq.Inspector(redis_url) as inspector:
        assert inspector.groups(QUEUE) == [asynq.GroupInfo(group=name, size=1) for name in ("g", "h")]


@pytest.mark.usefixtures("sick")
def test_nothing_is_mended_unless_it_is_wanted(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ask("doctor", "--repair", "--json")
    assert (refused.code, refused.out) == (2, "")
    assert "--yes" in refused.err

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    declined = ask("doctor", "--repair")
    assert declined.code == 1
    assert "would remove these ids from the lists: ghost1, ghost2" in declined.err
    assert _found(ask("doctor", "--json").json()) == ALL_FAULTS


def test_a_task_that_was_settled_meanwhile_is_left_alone(sick: asynq.Client, raw: redis.Redis, redis_url: str) -> None:
    with asynq.Inspector(redis_url) as inspector:
        diagnosing = inspector._broker.diagnosing
        findings = diagnosing.findings(lambda done, total: None)
        raw.lpush(f"{KEY}pending", "stray")  # Somebody else has put it back.

        (strays,) = [one for one in findings if one.check == "strays"]
        assert diagnosing.repair(strays) == 1
        assert raw.hget(f"{KEY}t:stray", "state") == "pending"


def test_a_busy_redis_has_no_faults(
    ask: Ask, redis_url: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks that move while they are looked for stand where they should."""
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", redis_url)
    with asynq.Client(redis_url) as client:
        client.enqueue_many([asynq.Task("x")] * 5_000, retention=3600)
    server = asynq.Server(redis_url, asynq.Config(concurrency=4))
    server.start(lambda ctx, task: None)
    try:
        for _ in range(3):
            assert _found(ask("doctor", "--json").json()) == {}
    finally:
        server.shutdown()


def test_what_moves_while_it_is_looked_for_is_not_searched_for(redis_url: str, raw: redis.Redis) -> None:
    """A search reads a whole list; on a busy queue thousands of tasks move meanwhile."""
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        client.enqueue_many([asynq.Task("x")] * 3_000, queue=QUEUE)
        client.enqueue(asynq.Task("taken"), queue=QUEUE, task_id="taken")
        raw.lrem(f"{KEY}pending", 0, "taken")
        raw.lpush(f"{KEY}active", "taken")
        raw.lpush(f"{KEY}pending", "ghost")

        def work_goes_on(done: int, total: int) -> None:
            if done == 0:
                raw.zadd(f"{KEY}lease", {"taken": 9_999_999_999})
                raw.lrem(f"{KEY}pending", 0, "ghost")
                inspector.delete_all_pending_tasks(QUEUE)
                client.enqueue_many([asynq.Task("y")] * 2_000, queue=QUEUE)
                raw.lpush(f"{KEY}pending", "ghost")

        raw.config_resetstat()
        findings = inspector._broker.diagnosing.findings(work_goes_on)

    assert {one.check: one.names for one in findings if one.remedy} == {"ghosts": ("ghost",)}
    assert raw.info("commandstats")["cmdstat_lpos"]["calls"] == 2


@pytest.mark.parametrize("holder", ["cut off", "another"])
def test_a_leftover_gives_its_uniqueness_lock_back(
    holder: str, ask: Ask, redis_url: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNQ_COMPAT_BROKER", redis_url)
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        client.enqueue(asynq.Task("x"), queue=QUEUE, task_id="cut off", unique=3600)
        inspector.archive_task(QUEUE, "cut off")
        raw.zrem(f"{KEY}archived", "cut off")
        lock = str(raw.hget(f"{KEY}t:cut off", "unique_key"))
        raw.set(lock, holder)

        assert ask("doctor", "--repair", "--yes", "--json").json()["repaired"][0]["check"] == "archive_leftovers"

        assert raw.exists(f"{KEY}t:cut off") == 0
        assert raw.get(lock) == (None if holder == "cut off" else holder)


@pytest.mark.usefixtures("sick")
def test_keys_of_somebody_else_are_named_and_the_rest_is_looked_at(ask: Ask, raw: redis.Redis) -> None:
    for name in ("named", "unnamed"):
        raw.set(f"{KEY}t:{name}", "x")
    raw.rpush(f"{KEY}pending", "named")
    raw.sadd("asynq:queues", "odd", "other")
    raw.set("asynq:{odd}:pending", "x")
    raw.set("asynq:{other}:g:a", "x")
    raw.sadd("asynq:{other}:groups", "a")
    raw.set("asynq:workers", "x")

    told = ask("doctor", "--repair", "--yes", "--json").json()

    assert {one["queue"]: sorted(one["names"]) for one in told["findings"] if one["check"] == "odd_keys"} == {
        "": ["asynq:workers"],
        QUEUE: [f"{KEY}t:named", f"{KEY}t:unnamed"],
        "odd": ["asynq:{odd}:pending"],
        "other": ["asynq:{other}:g:a"],
    }
    assert {one["check"]: one["count"] for one in told["repaired"]} == {
        name: len(ids) for name, ids in ALL_FAULTS.items()
    }


@pytest.mark.usefixtures("sick")
def test_a_doctor_whose_clock_is_wrong_goes_by_that_of_redis(redis_url: str, raw: redis.Redis) -> None:
    raw.zadd("asynq:servers", {"asynq:servers:{host:2:lives}": int(raw.time()[0]) + 600})
    addr, _, db = redis_url.removeprefix("redis://").partition("/")
    broker = open_redis(RedisSettings(addr=addr, db=int(db)), VirtualClock(4 * 10**18))
    try:
        assert broker.diagnosing is not None
        findings = {one.check: one for one in broker.diagnosing.findings(lambda done, total: None)}
        assert findings["stale_servers"].names == ("servers:{host:1:gone}",)
        for check in ("stale_servers", "active_without_lease", "strays"):
            assert broker.diagnosing.repair(findings[check]) > 0
    finally:
        broker.close()
    assert raw.zrange("asynq:servers", 0, -1) == ["asynq:servers:{host:2:lives}"]
    now_s = int(raw.time()[0])
    assert now_s < float(str(raw.zscore(f"{KEY}lease", "no_lease"))) <= now_s + 31
    assert float(str(raw.zscore(f"{KEY}archived", "stray"))) <= now_s


def test_a_redis_that_evicts_and_has_no_memory_left_is_a_problem(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    server = RedisServer()
    try:
        with redis.Redis.from_url(server.url) as connection, asynq.Client(server.url) as client:
            client.enqueue(asynq.Task("x"))
            connection.config_set("maxmemory-policy", "allkeys-lru")
            connection.config_set("maxmemory", "2000000")
            told = ask("--broker", server.url, "doctor", "--json")
            findings = {one["check"]: one for one in told.json()["findings"]}
            assert (told.code, findings["eviction_policy"]["severity"]) == (2, "problem")
            assert "CONFIG SET maxmemory-policy noeviction" in findings["eviction_policy"]["message"]

            connection.config_set("maxmemory-policy", "noeviction")
            connection.config_set("maxmemory", "1000000000")
            connection.config_set("appendonly", "yes")
            wait_until(lambda: connection.info("persistence")["aof_rewrite_in_progress"] == 0, "the file is written")
            well = ask("--broker", server.url, "doctor", "--json")
            assert (well.code, well.json()["severity"]) == (0, "fine")

            connection.acl_setuser(
                "little", enabled=True, nopass=True, keys="*", commands=["+@read", "+evalsha", "+script", "-scan"]
            )
            few = ask("--uri", server.url.removeprefix("redis://"), "-U", "little", "-p", "x", "doctor", "--json")
            assert few.code == 1
            assert {one["check"] for one in few.json()["findings"] if one["severity"] == "warning"} == {
                "version",
                "strays",
            }
    finally:
        server.stop()


def test_a_broker_that_does_not_answer_is_a_problem(ask: Ask) -> None:
    answer = ask("--broker", "redis://localhost:1", "doctor", "--json")

    assert answer.code == 2
    assert [one["check"] for one in answer.json()["findings"]] == ["reachable"]


def test_a_broker_that_holds_nothing_is_well(ask: Ask) -> None:
    answer = ask("--broker", "memory://", "doctor")

    assert (answer.code, answer.out) == (0, "it holds nothing that could be looked at\n")


def test_a_file_that_has_lived_is_well(ask: Ask, lived: str) -> None:
    answer = ask("--broker", lived, "doctor", "--json")

    assert answer.code == 0
    assert [one["check"] for one in answer.json()["findings"]] == [
        *("file", "disk", "clock", "unreadable", "servers", "machine_version", "checkpoint")
    ]
    assert ask("--broker", lived, "journal", "verify", "default").code == 0


def test_tasks_that_nobody_serves_are_told(ask: Ask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db?partitions=2"
    with asynq.Client(url) as client:
        client.enqueue_many([asynq.Task("x")] * 20)

    answer = ask("--broker", url, "doctor", "--json")

    assert answer.code == 1
    servers = [one for one in answer.json()["findings"] if one["check"] == "servers"]
    assert [one["severity"] for one in servers] == ["warning", "warning"]
    assert "partition 1: " in servers[1]["message"]


@pytest.mark.kafka
@pytest.mark.parametrize("driver", ["kafka-python", "confluent"])
def test_topics_are_looked_at(driver: str, ask: Ask, kafka_cluster: KafkaCluster, kafka_namespace: str) -> None:
    url = f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}?driver={driver}"
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("x"))

    answer = ask("--broker", url, "doctor", "--json")

    findings = {one["check"]: one for one in answer.json()["findings"]}
    assert answer.code == 1
    assert findings["topics"]["message"] == "2 topics are there, with the settings that journals need"
    assert "have one copy" in findings["replication"]["message"]
    assert findings["clock"]["severity"] == "fine"


@pytest.mark.kafka
def test_a_topic_that_would_lose_tasks_is_a_problem(
    ask: Ask, kafka_cluster: KafkaCluster, kafka_namespace: str
) -> None:
    url = f"redpanda://{kafka_cluster.bootstrap}/{kafka_namespace}"
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("x"))
    admin = KafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap)
    admin.alter_configs([ConfigResource("topic", f"{kafka_namespace}.queue.default", {"retention.ms": "1000"})])
    admin.close()
    # The controller has it; the broker that is asked hears of it a little later.
    wait_until(lambda: ask("--broker", url, "doctor").code == 2, "the broker to know of the change", 60)

    answer = ask("--broker", url, "doctor", "--json")

    (topics,) = [one for one in answer.json()["findings"] if one["check"] == "topics"]
    assert (answer.code, topics["severity"]) == (2, "problem")
    assert "retention.ms=1000, a journal needs retention.ms=-1; mend it with `rpk topic" in topics["message"]
