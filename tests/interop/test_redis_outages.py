"""What does a user see when Redis forgets, restarts, refuses, or is something else?"""

from __future__ import annotations

import dataclasses
import logging
import socket
import time

import pytest
import redis

from asynq_compat.brokers.redis.commands import command
from asynq_compat.brokers.redis.link import ServerLink
from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.engine.settler import Settler
from asynq_compat.errors import BrokerUnavailableError, CorruptDataError
from asynq_compat.ports.consuming import QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.producing import EnqueueStatus
from asynq_compat.testing.clock import VirtualClock
from tests.interop.redis_tools import broker_at, listening, request, settings_of
from tests.services.ports import free_ports
from tests.services.redis import RedisServer
from tests.services.waiting import wait_until

ORDER = QueueOrder(weights={"default": 1})


@pytest.mark.redis
def test_scripts_are_loaded_again_after_script_flush(redis_url: str) -> None:
    with broker_at(settings_of(redis_url)) as broker, redis.Redis.from_url(redis_url) as raw:
        intake = broker.consuming.open_intake(ORDER, 10, "s")
        raw.script_flush()
        outcomes = broker.producing.enqueue([request(), request()])
        raw.script_flush()
        leases = intake.take(1)
        raw.script_flush()
        settled = intake.settle([Settlement(lease, SettleKind.DONE) for lease in leases], len(leases))
        intake.close()

        assert outcomes == [EnqueueStatus.ENQUEUED] * 2
        assert settled == [SettleOutcome.SETTLED] * 2
        assert raw.get("asynq:{default}:processed") == b"2"


@pytest.mark.redis
def test_a_restart_of_redis_is_survived_without_a_word() -> None:
    server = RedisServer(durable=True)
    try:
        with broker_at(RedisSettings(addr=server.addr)) as broker:
            intake = broker.consuming.open_intake(ORDER, 10, "s")
            broker.producing.enqueue([request("before")])
            server.restart()
            broker.producing.enqueue([request("after")])
            taken = [lease.task_id for lease in intake.take(30)]
            server.restart()
            idle = intake.take(0.05)
            server.restart()
            broker.producing.enqueue([request("again")])
            taken += [lease.task_id for lease in intake.take(30)]
            intake.close()

            assert taken == ["before", "after", "again"]
            assert idle == ()
    finally:
        server.stop()


@pytest.mark.alone
def test_a_redis_that_is_not_there_is_named_at_once() -> None:
    addr = f"127.0.0.1:{free_ports(1)[0]}"
    started = time.monotonic()

    with (
        broker_at(RedisSettings(addr=addr, password="s3cret")) as broker,
        pytest.raises(BrokerUnavailableError) as caught,
    ):
        broker.ping()

    assert addr in str(caught.value)
    assert "connection refused" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert not caught.value.may_have_happened
    assert time.monotonic() - started < 2


@pytest.mark.redis
def test_a_wrong_or_missing_password_is_told_and_never_shown() -> None:
    server = RedisServer("--requirepass", "right-pw")
    try:
        for password, word in [("wr0ng-pw", "does not accept this user name or password"), ("", "asks for a password")]:
            settings = RedisSettings(addr=server.addr, password=password)
            with broker_at(settings) as broker, pytest.raises(BrokerUnavailableError, match=word) as caught:
                broker.producing.enqueue([request()])
            assert server.addr in str(caught.value)
            assert "wr0ng-pw" not in f"{caught.value} {settings!r}"
        with broker_at(RedisSettings(addr=server.addr, password="right-pw")) as broker:
            broker.ping()
    finally:
        server.stop()


@pytest.mark.redis
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--maxmemory", "100kb", "--maxmemory-policy", "noeviction"), "maxmemory is reached"),
        (("--replicaof", "127.0.0.1", "1"), "read-only replica"),
    ],
    ids=["OOM", "READONLY"],
)
def test_a_redis_that_refuses_says_why(options: tuple[str, ...], words: str) -> None:
    server = RedisServer(*options)
    try:
        with broker_at(RedisSettings(addr=server.addr)) as broker:
            with pytest.raises(BrokerUnavailableError, match=words) as caught:
                broker.producing.enqueue([request()])
            assert server.addr in str(caught.value)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "does not speak Redis's protocol"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still loading"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak Redis's protocol"),
    ],
    ids=["HTTP", "LOADING", "SSH"],
)
def test_what_is_no_redis_or_not_one_yet_is_told(answer: bytes, words: str) -> None:
    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(answer)

    with listening(serve) as addr, broker_at(RedisSettings(addr=addr)) as broker:
        with pytest.raises(BrokerUnavailableError, match=words) as caught:
            broker.producing.enqueue([request()])
        assert addr in str(caught.value)


@pytest.mark.alone
def test_one_that_never_answers_costs_no_more_than_the_timeout() -> None:
    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with listening(serve) as addr:
        settings = RedisSettings(addr=addr, dial_timeout_s=0.3, read_timeout_s=0.2)
        started = time.monotonic()
        with broker_at(settings) as broker, pytest.raises(BrokerUnavailableError, match="within") as caught:
            broker.ping()
        assert addr in str(caught.value)
        assert time.monotonic() - started < 2


class AnswerLoser:
    """Hands requests on to Redis; while it is armed it drops a connection instead of a script's answer, a few times."""

    def __init__(self, server: RedisServer) -> None:
        self._port = server.port
        self.is_armed = False
        self.times = 1
        self.lost: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as upstream:
            while question := connection.recv(65536):
                upstream.sendall(question)
                answer = upstream.recv(65536)
                is_script = b"EVALSHA" in question and not answer.startswith(b"-NOSCRIPT")
                if self.is_armed and is_script and len(self.lost) < self.times:
                    self.lost.append(answer)
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(answer)


@pytest.mark.redis
@pytest.mark.parametrize("has_chosen_id", [False, True])
def test_an_enqueue_whose_answer_was_lost_is_no_conflict(
    redis_server: RedisServer, redis_url: str, *, has_chosen_id: bool
) -> None:
    loser = AnswerLoser(redis_server)
    loser.is_armed = True

    with listening(loser) as addr:
        settings = dataclasses.replace(settings_of(redis_url), addr=addr)
        with broker_at(settings) as broker, redis.Redis.from_url(redis_url) as raw:
            raw.hset("asynq:{default}:t:taken", "msg", "of another")
            outcomes = broker.producing.enqueue(
                [request("mine", has_chosen_id=has_chosen_id), request("taken", has_chosen_id=True)]
            )

            assert loser.lost
            assert outcomes == [EnqueueStatus.ENQUEUED, EnqueueStatus.ID_CONFLICT]
            assert raw.lrange("asynq:{default}:pending", 0, -1) == [b"mine"]


@pytest.mark.redis
@pytest.mark.parametrize("kind", list(SettleKind))
def test_a_settlement_whose_answer_was_lost_is_settled(
    redis_server: RedisServer, redis_url: str, kind: SettleKind
) -> None:
    """Sent again by the connection, it finds nothing to do; nothing is counted twice."""
    loser = AnswerLoser(redis_server)

    with listening(loser) as addr:
        settings = dataclasses.replace(settings_of(redis_url), addr=addr)
        with broker_at(settings) as broker:
            intake = broker.consuming.open_intake(ORDER, 2, "s")
            broker.producing.enqueue([request("a"), request("b")])
            leases = intake.take(5)
            loser.is_armed = True
            outcomes = intake.settle([Settlement(lease, kind, 60.0, "text") for lease in leases], 2)
            intake.close()

            stats = broker.inspecting.queue_stats("default")
            assert loser.lost
            assert list(outcomes) == [SettleOutcome.SETTLED] * 2
            assert stats is not None
            assert (stats.active, stats.processed) == (0, 0 if kind is SettleKind.REQUEUE else 2)


@pytest.mark.redis
@pytest.mark.parametrize("times", [1, 5])
def test_a_server_whose_settlings_lose_their_answers_does_not_cry_wolf(
    redis_server: RedisServer, redis_url: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: the connection asks again. Five times: it gives up, and the settler settles again."""
    loser = AnswerLoser(redis_server)
    loser.times = times

    with listening(loser) as addr:
        settings = dataclasses.replace(settings_of(redis_url), addr=addr)
        with broker_at(settings) as broker:
            intake = broker.consuming.open_intake(ORDER, 2, "s")
            broker.producing.enqueue([request("a"), request("b")])
            settler = Settler(intake, logging.getLogger("test.settler"), 1)
            leases = intake.take(5)
            loser.is_armed = True
            settler.start()
            for lease in leases:
                settler.add(Settlement(lease, SettleKind.DONE))
            wait_until(lambda: len(loser.lost) == times and not settler._unsettled, "the settler has settled", 60)
            settler.stop()
            intake.close()

            stats = broker.inspecting.queue_stats("default")
            assert stats is not None
            assert (stats.active, stats.processed) == (0, 2)
            assert "does not hold it any more" not in caplog.text
            assert ("Will retry syncing" in caplog.text) is (times > 4)


@pytest.mark.redis
def test_a_queue_that_cannot_be_read_keeps_no_task_of_another_queue(redis_url: str) -> None:
    """The first queue's task was taken already when the second one's key turned out to be no list."""
    with broker_at(settings_of(redis_url)) as broker, redis.Redis.from_url(redis_url) as raw:
        raw.set("asynq:{broken}:pending", "no list")
        order = QueueOrder(weights={"default": 2, "broken": 1}, strict=True)
        intake = broker.consuming.open_intake(order, 2, "s")
        broker.producing.enqueue([request("a")])

        leases = intake.take(5)

        assert [lease.task_id for lease in leases] == ["a"]
        with pytest.raises(CorruptDataError, match="does not hold what Asynq keeps there"):
            intake.take(5)
        intake.close()


@pytest.mark.redis
def test_all_idle_connections_are_let_go_of_when_one_broke(redis_url: str) -> None:
    """Redis restarted: each of them would cost one more request that may have happened twice."""
    link = ServerLink(settings_of(redis_url))
    try:
        lent = [link.node.pool.lend() for _ in range(8)]
        for connection in lent:
            connection.open()
            link.node.pool.give_back(connection)
        with redis.Redis.from_url(redis_url) as raw:
            raw.client_kill_filter(_type="normal", skipme=True)

        assert link.ask(command(b"PING")) == b"PONG"
        assert len(link.node.pool._idle) == 1
    finally:
        link.close()


@pytest.mark.redis
def test_leases_of_one_queue_that_cannot_be_renewed_cost_no_other_queue_its_own(redis_url: str) -> None:
    """As where one node of a cluster is gone: the others have renewed what they were asked to."""
    clock = VirtualClock()
    broker = open_redis(settings_of(redis_url), clock)
    with redis.Redis.from_url(redis_url) as raw:
        intake = broker.consuming.open_intake(QueueOrder(weights={"broken": 2, "default": 1}, strict=True), 2, "s")
        broker.producing.enqueue([request("a"), request("b", queue="broken")])
        leases = {lease.queue: lease for lease in intake.take(5)}
        raw.delete("asynq:{broken}:lease")
        raw.set("asynq:{broken}:lease", "no sorted set")

        clock.advance_s(20)
        with pytest.raises(CorruptDataError):
            intake.extend([leases["broken"], leases["default"]])
        clock.advance_s(20)

        assert leases["default"].term.is_valid()
        assert not leases["broken"].term.is_valid()
        intake.close()
    broker.close()


@pytest.mark.redis
def test_a_lease_that_is_over_is_not_renewed(redis_url: str) -> None:
    """Another server may have the task by now: Redis knows no owner of a lease."""
    clock = VirtualClock()
    broker = open_redis(settings_of(redis_url), clock)
    with redis.Redis.from_url(redis_url) as raw:
        intake = broker.consuming.open_intake(ORDER, 2, "s")
        broker.producing.enqueue([request("a")])
        leases = intake.take(5)
        ends_at = raw.zscore("asynq:{default}:lease", "a")

        clock.advance_s(31)
        intake.extend(leases)

        assert raw.zscore("asynq:{default}:lease", "a") == ends_at
        assert not leases[0].term.is_valid()
        intake.close()
    broker.close()
