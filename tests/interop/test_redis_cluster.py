"""Do clients, servers and inspectors work on a cluster, whatever happens to its nodes and slots?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import redis

import asynq_compat as asynq
from asynq_compat.brokers.redis.slots import slot_of
from asynq_compat.connect import open_broker
from asynq_compat.engine.service import THREAD_PREFIX
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement, SettleOutcome
from tests.interop.failover import WITHIN_S, Load, in_child
from tests.interop.go_oracle import Oracle
from tests.services.cluster import ClusterNode, RedisCluster
from tests.services.ports import HOST, free_ports
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis

QUEUES = ("default", "low", "high", "emails", "images")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """Its data are on the disk, so that a node may be killed and come back."""
    made = RedisCluster(durable=True)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _emptied(cluster: RedisCluster) -> None:
    for node in cluster.connections():
        node.flushall()
        node.close()


def url_of(cluster: RedisCluster, parameters: str = "") -> str:
    # A request waits for a node as long as connecting may take.
    return f"redis-cluster://{cluster.addrs[0]}?dial_timeout={WITHIN_S}{parameters}"


def test_its_queues_are_on_all_nodes(cluster: RedisCluster) -> None:
    assert len({cluster.node_of(f"asynq:{{{queue}}}:pending") for queue in QUEUES}) == 3


def test_one_batch_goes_to_many_nodes_and_each_queue_is_announced(cluster: RedisCluster) -> None:
    with asynq.Client(url_of(cluster)) as client, asynq.Inspector(url_of(cluster)) as inspector:
        results = client.enqueue_many([(asynq.Task("t"), asynq.Queue(QUEUES[at % len(QUEUES)])) for at in range(100)])

        assert not [one for one in results if isinstance(one, Exception)]
        assert sorted(inspector.queues()) == sorted(QUEUES)
        assert [inspector.get_queue_info(queue).pending for queue in QUEUES] == [20] * 5
    counts = [node.dbsize() for node in cluster.connections()]
    assert min(counts) >= 20


def test_a_server_does_all_its_duties(cluster: RedisCluster) -> None:
    """What is due, what failed, what is kept, what is cancelled, in queues of several nodes."""
    seen: list[str] = []
    has_begun, was_cancelled = threading.Event(), threading.Event()

    def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        seen.append(task.type)
        if task.type == "fails" and ctx.retry_count == 0:
            raise ValueError("once")
        if task.type == "result":
            assert task.result_writer is not None
            task.result_writer.write(b"done")
        if task.type == "long":
            has_begun.set()
            if ctx.wait(WITHIN_S):
                was_cancelled.set()

    config = asynq.Config(
        concurrency=5, queues=dict.fromkeys(QUEUES, 1), retry_delay_func=lambda n, error, task: 0, janitor_interval=0.2
    )
    server = asynq.Server(asynq.RedisClusterClientOpt(addrs=cluster.addrs[1:2]), config)
    server.start(handle)
    with asynq.Client(url_of(cluster)) as client, asynq.Inspector(url_of(cluster)) as inspector:
        for queue in QUEUES:
            client.enqueue(asynq.Task("due"), queue=queue, process_in=1)
            client.enqueue(asynq.Task("fails"), queue=queue)
            client.enqueue(asynq.Task("result"), queue=queue, retention=3600, task_id="kept")
            client.enqueue(asynq.Task("gone"), queue=queue, retention=1, unique=60)
        client.enqueue(asynq.Task("long"), task_id="long", max_retry=0)
        assert has_begun.wait(WITHIN_S)
        wait_until(partial(cancel, inspector, "long", was_cancelled), "its cancellation", WITHIN_S)
        wait_until(lambda: len(seen) == 5 * len(QUEUES) + 1, "all to be handled", WITHIN_S)
        for queue in QUEUES:
            wait_until(partial(has_one_left, inspector, queue), "the janitor to delete the other one", WITHIN_S)
            assert inspector.get_task_info(queue, "kept").result == b"done"
        wait_until(lambda: len(inspector.servers()) == 1, "the server to be known", WITHIN_S)
    server.shutdown()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)] == []


def cancel(inspector: asynq.Inspector, task_id: str, is_heard: threading.Event) -> bool:
    """Say it, perhaps again: a server subscribes in the background, and nobody may be listening yet."""
    inspector.cancel_processing(task_id)
    return is_heard.wait(0.5)


def has_one_left(inspector: asynq.Inspector, queue: str) -> bool:
    return inspector.get_queue_info(queue).completed == 1


def test_the_peek_of_each_queue_waits_at_its_node(cluster: RedisCluster) -> None:
    expected = [
        sum(cluster.node_of(f"asynq:{{{queue}}}:pending") is node for queue in QUEUES) for node in cluster.nodes
    ]
    server = asynq.Server(url_of(cluster), asynq.Config(concurrency=1, queues=dict.fromkeys(QUEUES, 1)))
    server.start(lambda ctx, task: None)
    nodes = cluster.connections()

    def waiting() -> list[int]:
        return [sum(client["cmd"] == "blmove" for client in node.client_list()) for node in nodes]

    wait_until(lambda: waiting() == expected, f"{expected} peeks", WITHIN_S)
    server.shutdown()
    for node in nodes:
        node.close()


def test_a_node_that_is_killed_and_comes_back_loses_nothing(cluster: RedisCluster) -> None:
    with Load(url_of(cluster), QUEUES) as load:
        load.goes_on()
        for node in cluster.nodes[:2]:
            node.kill()
            node.start()
            load.goes_on()
        missing = load.missing()

    assert missing == frozenset()
    assert load.errors == []


def test_what_one_node_s_lost_answer_means_is_not_said_of_another(cluster: RedisCluster) -> None:
    """Of a batch that goes to two nodes only what was sent twice may have been settled by the first sending."""
    silent = cluster.node_of("asynq:{default}:pending")
    lost = next(queue for queue in QUEUES if cluster.node_of(f"asynq:{{{queue}}}:pending") is not silent)
    broker = open_broker(url_of(cluster, "&read_timeout=1"))
    link = broker.producing._link  # type: ignore[attr-defined]
    with asynq.Client(broker) as client, ThreadPoolExecutor(1) as executor:
        for queue in ("default", lost):
            client.enqueue(asynq.Task("t"), queue=queue, task_id=queue)
        intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1, lost: 1}), 2, "s")
        leases = list(intake.take(WITHIN_S))
        leases += [] if len(leases) == 2 else intake.take(WITHIN_S)
        with cluster.node_of(f"asynq:{{{lost}}}:lease").connect() as other:
            other.delete(f"asynq:{{{lost}}}:active", f"asynq:{{{lost}}}:lease")
        silent.pause()
        try:
            settling = executor.submit(intake.settle, [Settlement(one, SettleKind.DONE) for one in leases], 2)
            wait_until(lambda: link._suspects, "the answer to be lost", WITHIN_S)
        finally:
            silent.resume()
        outcomes = dict(zip((one.queue for one in leases), settling.result(WITHIN_S), strict=True))
        intake.close()
    broker.close()

    assert outcomes == {"default": SettleOutcome.SETTLED, lost: SettleOutcome.NOT_HELD}


def test_a_slot_that_moves_under_load_is_followed(cluster: RedisCluster) -> None:
    """MOVED, ASK and TRYAGAIN, of a queue's slot that goes to another node key by key, and back."""
    slot = slot_of(b"asynq:{default}:pending")
    home = cluster.node_of("asynq:{default}:pending")
    away = next(node for node in cluster.nodes if node is not home)
    with Load(url_of(cluster), ("default", "low")) as load:
        load.goes_on()
        for source, target in ((home, away), (away, home)):
            move(cluster, slot, source, target)
            load.goes_on()
        missing = load.missing()

    assert missing == frozenset()
    assert load.errors == []


def test_a_slot_whose_move_takes_its_time_is_waited_for(cluster: RedisCluster) -> None:
    """Until it is over, the one that has its keys asks for patience and the other sends there: that is no chase from node to node."""
    slot = slot_of(b"asynq:{default}:pending")
    home = cluster.node_of("asynq:{default}:pending")
    away = next(node for node in cluster.nodes if node is not home)
    with asynq.Client(url_of(cluster)) as client, ThreadPoolExecutor(1) as executor:
        client.enqueue(asynq.Task("t"))
        before = said(away, "TRYAGAIN")
        send_keys(slot, home, away)
        try:
            enqueueing = executor.submit(client.enqueue, asynq.Task("t"))
            wait_until(
                lambda: said(away, "TRYAGAIN") > before + 5, "patience to be asked for again and again", WITHIN_S
            )
        finally:
            assign(cluster, slot, home, away)
            move(cluster, slot, away, home)
        enqueueing.result(WITHIN_S)
        with asynq.Inspector(url_of(cluster)) as inspector:
            assert inspector.get_queue_info("default").pending == 2


def said(node: ClusterNode, code: str) -> int:
    """How often a node has given an answer of this code."""
    with node.connect() as connection:
        return int(connection.info("errorstats").get(f"errorstat_{code}", {"count": 0})["count"])


def move(cluster: RedisCluster, slot: int, source: ClusterNode, target: ClusterNode) -> None:
    """Let a slot go from one node to another as redis-cli does."""
    send_keys(slot, source, target)
    assign(cluster, slot, source, target)


def send_keys(slot: int, source: ClusterNode, target: ClusterNode) -> None:
    target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", source.say("CLUSTER", "MYID"))
    source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", target.say("CLUSTER", "MYID"))
    while keys := source.say("CLUSTER", "GETKEYSINSLOT", slot, 100):
        assert isinstance(keys, list)
        source.say("MIGRATE", HOST, target.port, "", 0, 60_000, "KEYS", *keys)


def assign(cluster: RedisCluster, slot: int, source: ClusterNode, target: ClusterNode) -> None:
    for node in (target, source, *cluster.nodes):
        node.say("CLUSTER", "SETSLOT", slot, "NODE", target.say("CLUSTER", "MYID"))


def test_go_and_python_share_it(cluster: RedisCluster, go_program: Callable[[str], Path]) -> None:
    """Each enqueues into queues of all nodes and works for the other; both inspectors see the same."""
    uri = f"redis-cluster://{','.join(cluster.addrs)}"
    for_python, for_go = QUEUES[:3], QUEUES[3:]
    handled: list[str] = []
    server = asynq.Server(uri, asynq.Config(concurrency=2, queues=dict.fromkeys(for_python, 1)))
    with Oracle(go_program("oracle")) as oracle, asynq.Client(uri) as client, asynq.Inspector(uri) as inspector:
        oracle.call("server.start", name="go", redis=uri, concurrency=2, queues=dict.fromkeys(for_go, 1))
        server.start(lambda ctx, task: handled.append(task.type))
        for queue in for_python:
            oracle.call("client.enqueue", redis=uri, type="go's", options=[{"Queue": queue}, {"Unique": 10**11}])
            oracle.call("client.enqueue", redis=uri, type="go's", options=[{"Queue": queue}, {"ProcessIn": 10**12}])
        for queue in for_go:
            client.enqueue(asynq.Task("ours"), queue=queue, retention=3600, unique=100)
        wait_until(lambda: len(handled) == len(for_python), "Go's tasks to be handled here", WITHIN_S)
        for queue in for_go:
            wait_until(partial(has_one_left, inspector, queue), "ours to be handled there", WITHIN_S)
        server.shutdown()
        for queue in QUEUES:
            info, theirs = (
                inspector.get_queue_info(queue),
                oracle.call("inspector.get_queue_info", redis=uri, queue=queue),
            )
            ours = (info.processed, info.scheduled, info.completed, info.pending)
            assert ours == tuple(theirs[name] for name in ("processed", "scheduled", "completed", "pending"))
            assert ours == ((1, 1, 0, 0) if queue in for_python else (1, 0, 1, 0))


def test_a_client_of_redis_py_is_shared(cluster: RedisCluster) -> None:
    shared = redis.RedisCluster(HOST, cluster.nodes[2].port)

    with asynq.Client.from_redis_client(shared) as client:
        client.enqueue(asynq.Task("t"), queue="low")

    assert shared.llen("asynq:{low}:pending") == 1
    shared.close()


def test_without_redirects_a_slot_that_moved_is_told(cluster: RedisCluster) -> None:
    slot = slot_of(b"asynq:{default}:pending")
    home = cluster.node_of("asynq:{default}:pending")
    away = next(node for node in cluster.nodes if node is not home)
    opt = asynq.RedisClusterClientOpt(addrs=cluster.addrs, max_redirects=-1)
    try:
        with asynq.Client(opt) as client:
            client.enqueue(asynq.Task("t"))
            move(cluster, slot, home, away)
            with pytest.raises(asynq.BrokerUnavailableError, match=r"sent a command on .* max_redirects"):
                client.enqueue(asynq.Task("t"))
            client.enqueue(asynq.Task("t"))  # It has asked who has it.
    finally:
        move(cluster, slot, away, home)


def test_what_is_no_cluster_and_what_is_one_are_told_apart(cluster: RedisCluster, redis_server: RedisServer) -> None:
    for target, said in (
        (f"redis-cluster://{redis_server.addr}", "is no node of a cluster; connect with RedisClientOpt"),
        (f"redis-cluster://{HOST}:{free_ports(1)[0]}?dial_timeout=0.5", "connection refused"),
    ):
        with asynq.Client(target) as client, pytest.raises(asynq.BrokerUnavailableError, match=said):
            client.ping()
    slots = [(node, f"redis://{node.addr}") for node in cluster.nodes]
    stranger = next(url for node, url in slots if node is not cluster.node_of("asynq:queues"))
    with asynq.Client(stranger) as client, pytest.raises(asynq.BrokerUnavailableError, match="RedisClusterClientOpt"):
        client.enqueue(asynq.Task("t"))


def test_a_queue_whose_keys_are_in_many_slots_is_refused_by_name(cluster: RedisCluster) -> None:
    with (
        asynq.Client(url_of(cluster)) as client,
        pytest.raises(asynq.BrokerUnavailableError, match="queue whose name begins with }"),
    ):
        client.enqueue(asynq.Task("t"), queue="}x")


def test_a_forked_child_has_connections_of_its_own(cluster: RedisCluster) -> None:
    with asynq.Client(url_of(cluster)) as client, asynq.Inspector(url_of(cluster)) as inspector:
        client.enqueue(asynq.Task("before"))
        assert in_child(lambda: client.enqueue(asynq.Task("in it"))) == 0
        client.enqueue(asynq.Task("after"))
        assert sorted(task.type for task in inspector.list_pending_tasks("default")) == ["after", "before", "in it"]


def test_a_replica_that_takes_over_is_found_and_one_that_is_made_master_by_hand_too() -> None:
    cluster = RedisCluster(durable=True)
    try:
        master = cluster.node_of("asynq:{default}:pending")
        replica = cluster.add_replica(master)
        with Load(url_of(cluster), QUEUES) as load:
            load.goes_on()
            safe = load.acked
            written = master.offset()
            wait_until(lambda: replica.offset() >= written, "the replica to have it", WITHIN_S)
            master.kill()
            wait_until(lambda: replica.role() == "master", "the replica to take over", WITHIN_S)
            load.goes_on()
            master.start()
            wait_until(lambda: master.role() == "slave:up", "the old master to follow", WITHIN_S)
            late = load.acked
            master.say("CLUSTER", "FAILOVER", "TAKEOVER")  # Without a vote: the others have just given theirs.
            wait_until(lambda: master.role() == "master", "it to be master again", WITHIN_S)
            load.goes_on()
            missing = load.missing()

        assert not missing & safe
        assert load.acked - late
        assert load.errors == []
    finally:
        cluster.stop()


def test_an_inspector_says_on_which_nodes_a_queue_lies_as_go_s_does(cluster: RedisCluster, oracle: Oracle) -> None:
    """Go's is asked at one node; it knows the map of all."""
    with asynq.Inspector(url_of(cluster)) as inspector, asynq.Client(url_of(cluster)) as client:
        for queue in QUEUES:
            client.enqueue(asynq.Task("email"), queue=queue)
            args = {"redis": f"redis://{cluster.addrs[0]}", "queue": queue}

            slot, nodes = inspector.cluster_key_slot(queue), inspector.cluster_nodes(queue)

            assert (
                slot
                == slot_of(f"asynq:{{{queue}}}:pending".encode())
                == oracle.call("inspector.cluster_key_slot", **args)
            )
            assert [[node.id, node.addr] for node in nodes] == oracle.call("inspector.cluster_nodes", **args)
            assert nodes[0].addr == cluster.node_of(f"asynq:{{{queue}}}:pending").addr


def test_what_concerns_many_tasks_and_all_servers_works_over_all_nodes(cluster: RedisCluster) -> None:
    with asynq.Inspector(url_of(cluster)) as inspector, asynq.Client(url_of(cluster)) as client:
        servers = [
            asynq.Server(url_of(cluster), asynq.Config(queues={queue: 1}, log_level="fatal")) for queue in QUEUES
        ]
        for server in servers:
            server.start(lambda *_: None)
        wait_until(lambda: len(inspector.servers()) == len(QUEUES), "all servers to be known", WITHIN_S)
        for server in servers:
            server.shutdown()
        assert inspector.servers() == []
        for queue in QUEUES:
            client.enqueue_many([asynq.Task("email")] * 3, queue=queue, process_in=60)
            assert inspector.run_all_scheduled_tasks(queue) == 3
            assert inspector.archive_all_pending_tasks(queue) == 3
            assert [day.processed for day in inspector.history(queue, 2)] == [0, 0]
            inspector.delete_queue(queue, force=True)
        assert inspector.queues() == []
