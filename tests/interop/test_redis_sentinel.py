"""Do producers and workers go on by themselves when sentinels put another master in place?"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import asynq_compat as asynq
from asynq_compat.engine.service import THREAD_PREFIX
from tests.interop.failover import WITHIN_S, Load, in_child
from tests.services.certificates import Certificates
from tests.services.ports import free_ports
from tests.services.redis import RedisServer
from tests.services.sentinel import MASTER_NAME, PASSWORD, SENTINEL_PASSWORD, SentinelSet
from tests.services.waiting import wait_until

pytestmark = pytest.mark.redis


@pytest.fixture
def watched() -> Iterator[SentinelSet]:
    made = SentinelSet()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SentinelSet, Certificates]]:
    """With TLS and passwords everywhere."""
    certificates = Certificates(tmp_path_factory.mktemp("tls") / "made")
    made = SentinelSet(certificates, has_passwords=True, is_lasting=True)
    yield made, certificates
    made.stop()


def url_of(watched: SentinelSet) -> str:
    # A request waits for a new master as long as connecting may take.
    return f"redis-sentinel://{','.join(watched.addrs)}?master={MASTER_NAME}&dial_timeout={WITHIN_S}"


def offset(watched: SentinelSet, server: RedisServer) -> int:
    found = watched.info(server)
    return int(str(found["master_repl_offset"]))


def test_a_master_killed_under_load_is_replaced_and_nothing_else_is_lost_than_what_was_not_replicated(
    watched: SentinelSet,
) -> None:
    with Load(url_of(watched)) as load:
        load.goes_on()
        safe = load.acked
        written = offset(watched, watched.master)
        wait_until(lambda: offset(watched, watched.replica) >= written, "the replica to have it", WITHIN_S)
        watched.master.kill()
        load.goes_on()
        assert watched.info(watched.replica)["role"] == "master"
        after = load.acked - safe

        missing = load.missing()

        assert not missing & safe
        assert load.errors == []
        assert len(after) >= 200


def test_an_idle_worker_hears_of_tasks_and_cancellations_on_the_new_master(watched: SentinelSet) -> None:
    """The blocking peek and the subscription have moved."""
    started, cancelled = threading.Event(), threading.Event()

    async def handle(ctx: asynq.Context, task: asynq.Task) -> None:
        started.set()
        try:
            await asyncio.sleep(WITHIN_S)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = asynq.Server(url_of(watched), asynq.Config(concurrency=1))
    server.start(handle)
    with watched.connect(watched.replica) as raw, asynq.Client(url_of(watched)) as client:
        watched.sentinels[0].kill()  # The one that was asked and listened to.
        watched.master.kill()
        wait_until(lambda: waiting_at(raw) == (1, 1), "the peek and the subscription at the new master", WITHIN_S)
        client.enqueue(asynq.Task("t"), task_id="one")
        assert started.wait(WITHIN_S)
        with asynq.Inspector(url_of(watched)) as inspector:
            inspector.cancel_processing("one")
        assert cancelled.wait(WITHIN_S)
    server.shutdown()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)] == []


def waiting_at(raw: redis.Redis) -> tuple[int, int]:
    """How many peeks and subscriptions there are."""
    try:
        ((_, subscribed),) = raw.pubsub_numsub("asynq:cancel")
        return sum(client["cmd"] == "blmove" for client in raw.client_list()), subscribed
    except redis.ConnectionError:  # Its sentinels end all connections of who becomes a master.
        return 0, 0


def test_a_master_that_was_demoted_and_lives_is_left() -> None:
    """An operator's failover: until its sentinels tell the old master, it goes on taking tasks, and loses them then. This one they never tell."""
    deaf = ("--rename-command", "SLAVEOF", "", "--rename-command", "REPLICAOF", "")
    watched = SentinelSet(None, *deaf)
    try:
        with (
            watched.connect(watched.sentinels[0]) as sentinel,
            watched.connect(watched.master) as old,
            watched.connect(watched.replica) as new,
            asynq.Client(f"{url_of(watched)}&db=5") as client,
        ):
            client.enqueue(asynq.Task("t"))
            wait_until(
                lambda: offset(watched, watched.replica) >= offset(watched, watched.master), "the replica", WITHIN_S
            )
            wait_until(lambda: listeners(watched) == 1, "the client to listen to a sentinel", WITHIN_S)
            assert [each for each in old.client_list() if each["db"] == "5"]
            sentinel.execute_command("SENTINEL", "FAILOVER", MASTER_NAME)
            wait_until(lambda: not [each for each in old.client_list() if each["db"] == "5"], "it to be left", WITHIN_S)
            client.enqueue(asynq.Task("t"))
            assert watched.info(watched.master)["role"] == "master"
            new.select(5)
            assert new.llen("asynq:{default}:pending") == 2
    finally:
        watched.stop()


def listeners(watched: SentinelSet) -> int:
    """How many subscriptions to news of masters the sentinels have."""
    count = 0
    for sentinel in watched.sentinels:
        with watched.connect(sentinel) as client:
            count += sum(each["sub"] == "1" and each["cmd"] == "subscribe" for each in client.client_list())
    return count


def test_tls_and_both_passwords(secure: tuple[SentinelSet, Certificates]) -> None:
    watched, certificates = secure
    ca = asynq.TLSConfig(ca_file=str(certificates.ca))

    def opt(password: str = PASSWORD, sentinel_password: str = SENTINEL_PASSWORD) -> asynq.RedisFailoverClientOpt:
        return asynq.RedisFailoverClientOpt(
            master_name=MASTER_NAME,
            sentinel_addrs=watched.addrs[:1],  # It tells of the others.
            sentinel_username="default",
            sentinel_password=sentinel_password,
            username="default",
            password=password,
            db=1,
            tls_config=ca,
        )

    with asynq.Client(opt()) as client:
        client.enqueue(asynq.Task("t"))
    login = f":{SENTINEL_PASSWORD}@{watched.addrs[1]}"
    with asynq.Inspector(
        f"redis-sentinel://{login}?master={MASTER_NAME}&password={PASSWORD}&db=1&tls_ca_file={certificates.ca}"
    ) as inspector:
        assert inspector.get_queue_info("default").pending == 1
    for wrong, said in (
        (opt(password="wr0ng"), "does not accept this user name or password"),
        (opt(sentinel_password="wr0ng"), f"no sentinel says where '{MASTER_NAME}' is: redis at {watched.addrs[0]}"),
    ):
        with asynq.Client(wrong) as client, pytest.raises(asynq.BrokerUnavailableError, match=said) as caught:
            client.ping()
        assert "wr0ng" not in str(caught.value)


def test_a_user_of_the_sentinels_needs_the_rights_that_the_page_lists(
    secure: tuple[SentinelSet, Certificates],
) -> None:
    watched, certificates = secure
    page = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (line,) = re.findall(r"^    ACL (SETUSER finder .*)$", page, re.MULTILINE)
    for sentinel in watched.sentinels:
        with watched.connect(sentinel) as raw:
            raw.execute_command("ACL", *line.split())
    opt = asynq.RedisFailoverClientOpt(
        master_name=MASTER_NAME,
        sentinel_addrs=watched.addrs,
        sentinel_username="finder",
        sentinel_password="password",
        password=PASSWORD,
        tls_config=asynq.TLSConfig(ca_file=str(certificates.ca)),
    )

    with asynq.Client(opt) as client:
        client.enqueue(asynq.Task("t"))
        wait_until(lambda: listeners(watched) == 1, "the client to listen", WITHIN_S)


def test_what_the_sentinels_do_not_know_is_told(
    secure: tuple[SentinelSet, Certificates], redis_server: RedisServer
) -> None:
    watched, certificates = secure
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    login = f":{SENTINEL_PASSWORD}@{watched.addrs[0]}"
    for url, said in (
        (f"redis-sentinel://{login}?master=other&tls_ca_file={certificates.ca}", "watch no master called 'other'"),
        (f"redis-sentinel://{nobody}?master=m&dial_timeout=0.5", f"{nobody} cannot be reached: connection refused"),
        (f"redis-sentinel://{redis_server.addr}?master=m&dial_timeout=0.5", "is no sentinel but a Redis"),
    ):
        with asynq.Client(url) as client, pytest.raises(asynq.BrokerUnavailableError, match=said):
            client.ping()


def test_a_sentinel_s_master_of_redis_py_is_shared(secure: tuple[SentinelSet, Certificates]) -> None:
    watched, certificates = secure
    places = [("127.0.0.1", sentinel.port) for sentinel in watched.sentinels]
    tls = {"ssl": True, "ssl_ca_certs": str(certificates.ca)}
    sentinels = redis.Sentinel(places, sentinel_kwargs={"password": SENTINEL_PASSWORD, **tls})  # type: ignore[no-untyped-call]  # redis-py's is not annotated
    master = sentinels.master_for(MASTER_NAME, db=2, password=PASSWORD, **tls)  # type: ignore[no-untyped-call]  # redis-py's is not annotated

    with asynq.Client.from_redis_client(master) as client:
        client.enqueue(asynq.Task("t"))

    assert master.llen("asynq:{default}:pending") == 1
    master.close()


def test_a_forked_child_finds_the_master_itself(secure: tuple[SentinelSet, Certificates]) -> None:
    watched, certificates = secure
    login = f":{SENTINEL_PASSWORD}@{watched.addrs[0]}"
    url = f"redis-sentinel://{login}?master={MASTER_NAME}&password={PASSWORD}&db=4&tls_ca_file={certificates.ca}"
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("before"))
        assert in_child(lambda: client.enqueue(asynq.Task("in it"))) == 0
        client.enqueue(asynq.Task("after"))
    with watched.connect(watched.master) as raw:
        raw.select(4)
        assert raw.llen("asynq:{default}:pending") == 3
