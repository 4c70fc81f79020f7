"""Do the rights that docs/redis.md lists suffice for each role, and is a missing one named?"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import asynq_compat as asynq
from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.ports.scheduling import Scheduling
from asynq_compat.ports.signalling import Signalling
from asynq_compat.testing.conformance.harness import QueueHarness
from asynq_compat.testing.conformance.scenario import Scenario
from asynq_compat.testing.conformance.traits import REDIS
from tests.conformance.binding import harness, noon_clock, scenarios
from tests.conformance.redis_binding import age_locks
from tests.services.certificates import Certificates
from tests.services.cluster import RedisCluster
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
ROLES = ("producer", "worker", "scheduler", "inspector")
# What no transition needs, and who needs it all the same.
PLAIN = {
    "producer": {"ping", "evalsha", "script|load", "sadd", "get", "hget"},
    "worker": {
        *("ping", "evalsha", "script|load", "blmove", "subscribe", "sadd"),
        *("hset", "zadd", "zrem", "del", "zrange"),
    },
    "inspector": {
        *("ping", "evalsha", "script|load"),
        *("publish", "sismember", "smembers", "setnx", "del", "srem"),
        *("get", "mget", "hvals", "cluster|keyslot", "cluster|slots"),
        *("zrangebyscore", "zremrangebyscore", "zrevrange", "lrange"),
    },
    "scheduler": {"ping", "evalsha", "script|load", "sadd", "get", "hget", "zadd", "zrem", "del"},
}
TRANSITIONS = {
    "producer": ("enqueue",),
    "worker": (
        *("take", "settle_done", "settle_complete", "settle_retry", "settle_archive", "settle_requeue"),
        *("forward_due", "delete_expired_completed", "expired_leases", "server_state"),
        *("acquire_token", "aggregate", "delete_set", "reclaim_sets", "list_groups"),
    ),
    "inspector": (
        *("archive_task", "delete_task", "run_task", "task", "list_tasks", "queue_stats", "memory_usage"),
        *("update_payload", "run_all", "archive_all", "delete_all", "remove_queue", "expired_leases"),
        "list_groups",
    ),
    "scheduler": ("enqueue", "fire", "scheduler_entries", "enqueue_events"),
}


def line_of(role: str) -> list[str]:
    """The words of the page's line for a role, behind ACL."""
    (line,) = re.findall(rf"^    ACL (SETUSER {role} on .*)$", PAGE.read_text(), re.MULTILINE)
    return str(line).split()


def rights_of(role: str) -> set[str]:
    return {word.removeprefix("+") for word in line_of(role) if word.startswith("+")}


def acl(connection: redis.Redis, *words: str) -> list[list[bytes]]:
    answer: list[list[bytes]] = connection.execute_command("ACL", *words)  # type: ignore[no-untyped-call]  # redis-py's is not annotated
    return answer


@pytest.fixture(scope="module")
def guarded_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
def raw(guarded_redis: RedisServer) -> Iterator[redis.Redis]:
    """As the administrator, of an emptied Redis with the page's users."""
    with redis.Redis(port=guarded_redis.port) as connection:
        connection.flushall()
        for role in ROLES:
            acl(connection, "DELUSER", role)
            acl(connection, *line_of(role))
        yield connection


def opt_of(server: RedisServer, role: str) -> asynq.RedisClientOpt:
    return asynq.RedisClientOpt(server.addr, username=role, password="password")


@pytest.fixture
def queue(guarded_redis: RedisServer, raw: redis.Redis) -> Iterator[QueueHarness]:
    """Each port of the broker logs in as its role."""
    clock = noon_clock()
    of = {
        role: open_redis(RedisSettings(addr=guarded_redis.addr, username=role, password="password"), clock)
        for role in ROLES
    }
    broker = dataclasses.replace(
        of["worker"],
        producing=of["producer"].producing,
        inspecting=of["inspector"].inspecting,
        administering=of["inspector"].administering,
        signalling=_Signalling(of["inspector"].signalling, of["worker"].signalling),
        scheduling=_Scheduling(of["scheduler"].scheduling, of["inspector"].scheduling),
    )
    with harness(broker, clock, REDIS, let_pass=lambda seconds: age_locks(raw, seconds)) as made:
        yield made
    for each in of.values():
        each.close()


class _Signalling:
    """An operator cancels, a worker hears it."""

    def __init__(self, says: Signalling, hears: Signalling) -> None:
        self.publish_cancelation = says.publish_cancelation
        self.subscribe_cancelations = hears.subscribe_cancelations


class _Scheduling:
    """A scheduler writes, an operator reads."""

    def __init__(self, writes: Scheduling, reads: Scheduling) -> None:
        self.write_entries, self.clear_entries = writes.write_entries, writes.clear_entries
        self.record_enqueue_event, self.clear_history = writes.record_enqueue_event, writes.clear_history
        self.fire = writes.fire
        self.entries, self.enqueue_events = reads.entries, reads.enqueue_events


@pytest.mark.parametrize(
    "scenario",
    # Here another process removes the queue, of which its producer does not hear (G9).
    [one for one in scenarios("redis") if one.name != "remove_queue.it_is_there_again_with_its_next_task"],
    ids=lambda scenario: scenario.name,
)
def test_each_role_does_with_its_rights_whatever_it_has_to(queue: QueueHarness, scenario: Scenario) -> None:
    scenario.run(queue)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_right_that_it_does_not_need(role: str) -> None:
    needed = PLAIN[role].union(*(script(name).commands for name in TRANSITIONS[role]))
    needed = {"memory|usage" if name == "memory" else name for name in needed}

    assert rights_of(role) == needed


def test_a_client_a_server_and_an_inspector_do_with_the_rights_of_their_roles(
    guarded_redis: RedisServer, raw: redis.Redis
) -> None:
    server = asynq.Server(opt_of(guarded_redis, "worker"), asynq.Config(concurrency=2))
    handled: list[str] = []
    server.start(lambda ctx, task: handled.append(task.type))
    with asynq.Client(opt_of(guarded_redis, "producer")) as client:
        client.enqueue(asynq.Task("email"), unique=60, task_id="one")
        client.enqueue(asynq.Task("email"), process_in=0.5)
    with asynq.Inspector(opt_of(guarded_redis, "inspector")) as inspector:
        wait_until(lambda: inspector.get_queue_info("default").processed == 2, "both tasks to be done", 60)
    server.shutdown()

    assert len(handled) == 2
    refused = {entry[entry.index(b"object") + 1] for entry in acl(raw, "LOG")}
    assert refused <= {b"client|setinfo", b"client"}  # Which the client library asks for and does without.


def test_the_user_name_is_sent_only_with_a_password(guarded_redis: RedisServer, raw: redis.Redis) -> None:
    with asynq.Client(asynq.RedisClientOpt(guarded_redis.addr, username="nobody")) as client:
        client.ping()
    with (
        asynq.Client(asynq.RedisClientOpt(guarded_redis.addr, username="nobody", password="s3cret")) as client,
        pytest.raises(asynq.BrokerUnavailableError, match="does not accept this user name or password") as caught,
    ):
        client.ping()
    assert "s3cret" not in str(caught.value)


def act(role: str, server: RedisServer) -> None:
    opt = opt_of(server, role)
    if role == "inspector":
        with asynq.Inspector(opt) as inspector:
            inspector.get_queue_info("default")
            inspector.cancel_processing("one")
            inspector.pause_queue("default")
    elif role == "producer":
        with asynq.Client(opt) as client:
            client.enqueue(asynq.Task("email"))
    else:
        broker = open_redis(RedisSettings(addr=server.addr, username=role, password="password"))
        try:
            broker.ping()
            broker.maintaining.forward_due(["default"])
            broker.signalling.subscribe_cancelations().close()
        finally:
            broker.close()


@pytest.mark.parametrize(
    ("role", "right", "told"),
    [
        ("producer", "sadd", "'sadd'"),
        ("producer", "evalsha", "'evalsha'"),
        ("producer", "script|load", "'script|load'"),
        ("producer", "lpush", "the transition enqueue needs exists hset lpush"),
        ("worker", "ping", "'ping'"),
        ("worker", "subscribe", "'subscribe'"),
        ("worker", "zrangebyscore", "the transition forward_due needs"),
        ("inspector", "sismember", "'sismember'"),
        ("inspector", "publish", "'publish'"),
        ("inspector", "setnx", "'setnx'"),
        ("inspector", "memory|usage", "the transition memory_usage needs"),
    ],
)
def test_a_right_that_is_missing_is_named(
    guarded_redis: RedisServer, raw: redis.Redis, role: str, right: str, told: str
) -> None:
    with asynq.Client(f"redis://{guarded_redis.addr}") as client:
        client.enqueue(asynq.Task("email"), process_in=-5)
    raw.script_flush()
    act(role, guarded_redis)
    with asynq.Inspector(f"redis://{guarded_redis.addr}") as inspector:
        if role == "inspector":
            inspector.unpause_queue("default")
    raw.script_flush()
    acl(raw, "SETUSER", role, f"-{right}")

    with pytest.raises(asynq.BrokerUnavailableError, match="does not allow this user") as caught:
        act(role, guarded_redis)

    assert re.search(re.escape(told), str(caught.value)) or right in str(caught.value)
    assert "docs/redis.md" in str(caught.value)


@pytest.mark.parametrize(("role", "word"), [("worker", "key"), ("inspector", "channel")])
def test_keys_and_channels_that_are_not_allowed_are_told(
    guarded_redis: RedisServer, raw: redis.Redis, role: str, word: str
) -> None:
    acl(raw, "SETUSER", role, "resetkeys" if word == "key" else "resetchannels")
    raw.sadd("asynq:queues", "default")

    with pytest.raises(asynq.BrokerUnavailableError, match=f"does not allow this user .*{word}"):
        act(role, guarded_redis)


def test_a_doctor_is_an_inspector_who_may_a_little_more(guarded_redis: RedisServer, raw: redis.Redis) -> None:
    page = PAGE.read_text()
    (looks,) = re.findall(r"^    ACL SETUSER inspector (\+.*)$", page, re.MULTILINE)
    with asynq.Client(f"redis://{guarded_redis.addr}") as client:
        client.enqueue(asynq.Task("email"))
    broker = open_redis(RedisSettings(addr=guarded_redis.addr, username="inspector", password="password"))
    try:
        assert broker.diagnosing is not None
        blind = {finding.message for finding in broker.diagnosing.findings(lambda done, of: None)}
        raw.lpush("asynq:{default}:pending", "ghost")
        acl(raw, "SETUSER", "inspector", *looks.split())
        found = broker.diagnosing.findings(lambda done, of: None)
        seen = {finding.check for finding in found}
        (ghost,) = [finding for finding in found if finding.remedy]

        assert {"version", "eviction_policy", "clock"} <= seen
        assert not blind & {finding.message for finding in found if finding.check != "tasks"}
        assert broker.diagnosing.repair(ghost) == 1
        assert raw.llen("asynq:{default}:pending") == 1
    finally:
        broker.close()


def test_a_cluster_wants_one_right_more(tmp_path: Path) -> None:
    """With TLS and a password, as such a cluster is."""
    certificates = Certificates(tmp_path / "tls")
    cluster = RedisCluster(certificates=certificates, password="adm1n")
    try:
        for node, role in itertools.product(cluster.connections(), ("producer", "worker")):
            acl(node, *line_of(role), "+cluster|slots")
        config = asynq.TLSConfig(ca_file=str(certificates.ca))

        def opt_for(role: str) -> asynq.RedisClusterClientOpt:
            return asynq.RedisClusterClientOpt(
                addrs=cluster.addrs[:1], username=role, password="password", tls_config=config
            )

        handled: list[str] = []
        server = asynq.Server(opt_for("worker"), asynq.Config(concurrency=2, queues={"default": 1, "low": 1}))
        server.start(lambda ctx, task: handled.append(task.type))
        with asynq.Client(opt_for("producer")) as client:
            for queue in ("default", "low"):
                client.enqueue(asynq.Task(queue), queue=queue)
            wait_until(lambda: sorted(handled) == ["default", "low"], "both tasks to be handled", 60)
        server.shutdown()
        for node in cluster.connections():
            acl(node, "SETUSER", "producer", "-cluster|slots")
        url = f"redis-cluster://:password@{cluster.addrs[1]}?username=producer&tls_ca_file={certificates.ca}"
        with asynq.Client(url) as client, pytest.raises(asynq.BrokerUnavailableError, match=r"cluster\|slots"):
            client.ping()
    finally:
        cluster.stop()
