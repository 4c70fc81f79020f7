"""Does the command line work on a Redis Cluster, said in a URL and in Asynq's own options?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

import asynq_compat as asynq
from tests.cli.conftest import Ask
from tests.services.cluster import RedisCluster
from tests.services.installing import ServiceMissingError

QUEUES = ("alpha", "beta", "gamma", "delta")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    try:
        made = RedisCluster()
    except ServiceMissingError as error:
        pytest.skip(str(error))
    with asynq.Client(asynq.RedisClusterClientOpt(addrs=made.addrs)) as client:
        for name in QUEUES:
            client.enqueue(asynq.Task("x"), queue=name, task_id="one")
            client.enqueue(asynq.Task("x"), queue=name, task_id="two")
    yield made
    made.stop()


def test_queues_are_listed_with_their_slots_and_nodes(ask: Ask, cluster: RedisCluster) -> None:
    asynq_s = ("--cluster", "--cluster_addrs", ",".join(cluster.addrs))

    told = ask(*asynq_s, "queue", "ls", "--json").json()
    people = ask("--broker", f"redis-cluster://{cluster.addrs[1]}", "queue", "ls").out.splitlines()

    assert [one["queue"] for one in told] == sorted(QUEUES)
    for one in told:
        assert one["key_slot"] == cluster.nodes[0].say("CLUSTER", "KEYSLOT", f"asynq:{{{one['queue']}}}:pending")
        assert one["nodes"] == [cluster.node_of(f"asynq:{{{one['queue']}}}:pending").addr]
    assert [row.split()[0] for row in people] == ["Queue", *sorted(QUEUES)]
    assert ask(*asynq_s, "stats", "--json").json()["aggregate"]["pending"] == 8
    assert ask(*asynq_s, "task", "inspect", "-q", "beta", "-i", "one", "--json").json()["state"] == "pending"


def test_the_doctor_looks_at_every_node_that_holds_a_queue(ask: Ask, cluster: RedisCluster) -> None:
    url = f"redis-cluster://{','.join(cluster.addrs)}"
    with redis.RedisCluster.from_url(f"redis://{cluster.addrs[0]}") as connection:
        for name in QUEUES:
            connection.lrem(f"asynq:{{{name}}}:pending", 0, "two")
            connection.lpush(f"asynq:{{{name}}}:pending", "ghost")

    told = ask("--broker", url, "doctor", "--json").json()
    mended = ask("--broker", url, "doctor", "--repair", "--yes", "--json").json()

    ports = {str(cluster.node_of(f"asynq:{{{name}}}:pending").port) for name in QUEUES}
    looked_at = {one["message"].split()[3].rstrip(":") for one in told["findings"] if one["check"] == "eviction_policy"}
    assert ports <= looked_at
    for name in QUEUES:
        found = {one["check"]: one["names"] for one in told["findings"] if one["queue"] == name}
        assert found == {"ghosts": ["ghost"], "strays": ["two"]}
    assert {one["check"] for one in mended["findings"] if one["queue"]} == {"tasks"}
