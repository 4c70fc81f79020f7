"""Does a program get the broker it was told to use, and is it told which one and why?"""

from __future__ import annotations

import logging
import os
import ssl
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from asynq_compat import errors
from asynq_compat.client import Client
from asynq_compat.config import Config
from asynq_compat.connect import VARIABLE, choose, default_path, open_broker, opening, redis_settings
from asynq_compat.inspector import Inspector
from asynq_compat.options import Duration
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock
from asynq_compat.server import Server
from asynq_compat.targets import (
    EmbeddedOpt,
    MemoryOpt,
    RedisClientOpt,
    RedisClusterClientOpt,
    RedisFailoverClientOpt,
    RedpandaOpt,
    Target,
    TLSConfig,
)
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock


@pytest.mark.parametrize("target", [RedisClientOpt("h:1"), RedpandaOpt("h:1"), EmbeddedOpt("x.db"), MemoryOpt("m")])
def test_an_option_object_is_what_it_says(target: Target) -> None:
    assert choose(target, {}) == (target, f"{type(target).__name__} in the code")


def test_a_url_stands_for_an_option_object() -> None:
    assert choose("redis://h:1/2", {}) == (RedisClientOpt("h:1", db=2), "a URL in the code")


def test_the_environment_wins_over_the_code() -> None:
    chosen = choose(RedisClientOpt("h:1"), {VARIABLE: "redpanda://r:9092/shop"})

    assert chosen == (RedpandaOpt(("r:9092",), "shop"), f"the environment variable {VARIABLE}")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://:pw@h:1/2", RedisClientOpt("h:1", password="pw", db=2)),
        (
            "rediss://h:1?tls_ca_file=ca.pem",
            RedisClientOpt("h:1", tls_config=TLSConfig(server_name="h", ca_file="ca.pem")),
        ),
        ("redis-socket:///run/r.sock?db=1", RedisClientOpt("/run/r.sock", db=1, network="unix")),
        (
            "redis-sentinel://h1:1,h2:2?master=m",
            RedisFailoverClientOpt(master_name="m", sentinel_addrs=("h1:1", "h2:2")),
        ),
        ("redis-cluster://h1:1,h2:2", RedisClusterClientOpt(addrs=("h1:1", "h2:2"))),
    ],
)
def test_every_redis_can_be_named_in_the_environment(url: str, target: Target) -> None:
    assert choose(EmbeddedOpt(), {VARIABLE: url}) == (target, f"the environment variable {VARIABLE}")


def test_a_wrong_url_in_the_environment_is_refused_by_name() -> None:
    with pytest.raises(
        errors.InvalidArgumentError, match=rf'^{VARIABLE}: asynq: unsupported uri scheme: "amqp"; use redis://'
    ):
        choose(None, {VARIABLE: "amqp://:secret@h"})


@pytest.mark.parametrize("target", [5, {"addr": "h"}, b"redis://h", RedisClientOpt])
def test_what_stands_for_no_broker_is_refused(target: object) -> None:
    with pytest.raises(
        errors.InvalidArgumentError, match="a broker is given as a URL, RedisClientOpt, RedpandaOpt or Embedded"
    ):
        choose(target, {})


@pytest.mark.parametrize("target", [5, Config()])
def test_a_server_refuses_what_stands_for_no_broker_when_it_is_made(target: object) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"a broker is given as a URL, .*, got (int|Config)"):
        Server(target)


@pytest.mark.parametrize("path", ["", " "])
def test_a_blank_path_is_no_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(errors.InvalidArgumentError, match="path is blank"):
        open_broker(EmbeddedOpt(path))


def test_whether_a_client_is_a_replica_is_true_or_false() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="replica must be True or False, got 'yes'"):
        Client("memory://", replica=cast("bool", "yes"))


def test_with_nothing_configured_it_is_the_users_file_and_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(opening, "_has_warned", False)
    environment = {"XDG_STATE_HOME": str(tmp_path)}

    chosen = [choose(None, environment) for _ in range(3)]

    path = tmp_path / "asynq_compat" / "asynq.db"
    assert {target for target, _ in chosen} == {EmbeddedOpt()}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert VARIABLE in warnings[0]


def test_a_relative_state_folder_is_not_followed() -> None:
    assert default_path({"XDG_STATE_HOME": "relative"}) == default_path({})
    assert default_path({}).is_relative_to(Path.home())


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (RedisFailoverClientOpt(master_name=" ", sentinel_addrs=["h:1"]), "master_name must say which master"),
        (RedisFailoverClientOpt(master_name="m", sentinel_addrs=[]), "sentinel_addrs must name one address at least"),
        (
            RedisFailoverClientOpt(master_name="m", sentinel_addrs="h:1"),
            r"sentinel_addrs must be a sequence of addresses, got 'h:1'; write \['host:26379'\]",
        ),
        (RedisFailoverClientOpt(master_name="m", sentinel_addrs=["h:99999"]), "addr must be host:port, got 'h:99999'"),
        (RedisClusterClientOpt(addrs=[""]), "addrs must name one address at least, and none that is blank"),
        (RedisClusterClientOpt(addrs=["h"], max_redirects=-2), "max_redirects must be -1 for none, 0 for 3, or more"),
        (RedisClusterClientOpt(addrs=["h"], read_timeout=cast("float", "x")), "read_timeout"),
        (RedisClientOpt("h", pool_size=-1), "pool_size must not be negative"),
    ],
)
def test_a_redis_that_cannot_be_is_refused_before_it_is_opened(
    target: Target, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    with pytest.raises(errors.InvalidArgumentError, match=text):
        open_broker(target)


def test_the_options_of_sentinels_and_clusters_have_gos_defaults() -> None:
    watched = redis_settings(RedisFailoverClientOpt(master_name="m", sentinel_addrs=["h1", "h2:2"], db=3))
    cluster = redis_settings(RedisClusterClientOpt(addrs=["h1", "h2:2"], read_timeout=-1))

    assert (watched.sentinels, watched.master_name, watched.db) == (("h1", "h2:2"), "m", 3)
    assert (watched.dial_timeout_s, watched.read_timeout_s, watched.write_timeout_s) == (5.0, 3.0, 3.0)
    assert watched.address == "m of the sentinels h1,h2:2"
    assert (cluster.cluster, cluster.max_redirects, cluster.read_timeout_s) == (("h1", "h2:2"), 3, None)
    assert cluster.pool_size == 5 * (os.cpu_count() or 1)
    assert redis_settings(RedisClusterClientOpt(addrs=["h"], max_redirects=-1)).max_redirects == 0


def test_an_embedded_broker_is_a_file_and_an_info_line_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "asynq_compat")
    path = tmp_path / "queue.db"
    monkeypatch.setenv(VARIABLE, f"sqlite:///{path}")

    broker = open_broker(RedisClientOpt("nowhere:1"))
    broker.ping()
    broker.close()

    assert path.exists()
    assert [record.getMessage() for record in caplog.records if record.name == "asynq_compat"] == [
        f"broker: sqlite:///{path}, chosen by the environment variable {VARIABLE}"
    ]


def test_what_a_command_line_says_holds_for_the_process_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_claim", None)
    monkeypatch.setenv(VARIABLE, "redis://environment:1")

    opening.claim("redis://said:1", "--broker")
    assert os.environ[VARIABLE] == "redis://said:1"
    assert choose(RedisClientOpt("code:1"), os.environ) == (RedisClientOpt("said:1"), "--broker")
    assert choose(None, {VARIABLE: "redis://other:1"})[1] == f"the environment variable {VARIABLE}"
    assert choose("redis://code:1", {}) == (RedisClientOpt("code:1"), "a URL in the code")

    said = RedisClientOpt("said:1")
    opening.claim(said, "--uri")
    assert VARIABLE not in os.environ
    assert choose(None, os.environ) == choose(said, os.environ) == (said, "--uri")
    assert choose(RedisClientOpt("code:1"), os.environ) == (RedisClientOpt("code:1"), "RedisClientOpt in the code")


def test_the_default_file_is_made_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    for _ in range(2):
        with Client() as client:
            client.enqueue(Task("t"))

    assert (tmp_path / "state" / "asynq_compat" / "asynq.db").exists()
    with Inspector(EmbeddedOpt()) as inspector:
        assert inspector.get_queue_info("default").pending == 2


def test_a_folder_that_cannot_be_made_is_an_outage_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    with pytest.raises(
        errors.BrokerUnavailableError, match=f"cannot be made: .*pass EmbeddedOpt.path. or set {VARIABLE}"
    ):
        open_broker()


def test_an_open_broker_is_used_as_it_is_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    broker = open_broker("memory://")
    monkeypatch.setenv(VARIABLE, "redis://nowhere:1")

    assert open_broker(broker) is broker
    broker.close()


@pytest.mark.parametrize(
    ("given", "read_s", "write_s"),
    [((None, None), 3.0, 3.0), ((0, 0), 3.0, 3.0), ((-1, None), None, None), ((timedelta(seconds=7), 2), 7.0, 2.0)],
)
def test_timeouts_are_read_as_go_reads_them(
    given: tuple[Duration | None, Duration | None], read_s: float | None, write_s: float | None
) -> None:
    settings = redis_settings(RedisClientOpt("h:1", read_timeout=given[0], write_timeout=given[1]))

    assert (settings.dial_timeout_s, settings.read_timeout_s, settings.write_timeout_s) == (5.0, read_s, write_s)


@pytest.mark.parametrize(
    ("opt", "network", "addr"),
    [
        (RedisClientOpt(), "tcp", "localhost:6379"),
        (RedisClientOpt(""), "tcp", "localhost:6379"),
        (RedisClientOpt("h"), "tcp", "h"),
        (RedisClientOpt("/run/r.sock"), "unix", "/run/r.sock"),
        (RedisClientOpt("r.sock", network="unix"), "unix", "r.sock"),
    ],
)
def test_an_address_is_a_socket_when_it_looks_like_one(opt: RedisClientOpt, network: str, addr: str) -> None:
    settings = redis_settings(opt)

    assert (settings.network, settings.addr) == (network, addr)


def test_tls_is_what_the_option_says(tmp_path: Path) -> None:
    def context(config: TLSConfig | ssl.SSLContext | None) -> object:
        return redis_settings(RedisClientOpt("h:1", tls_config=config)).tls

    own = ssl.create_default_context()
    careless = context(TLSConfig(insecure_skip_verify=True))
    careful = context(TLSConfig())

    assert context(None) is False
    assert context(own) is own
    assert isinstance(careful, ssl.SSLContext)
    assert careful.verify_mode is ssl.CERT_REQUIRED
    assert isinstance(careless, ssl.SSLContext)
    assert careless.verify_mode is ssl.CERT_NONE
    with pytest.raises(errors.InvalidArgumentError, match=r"certificates of .*cannot be loaded.*check the files"):
        context(TLSConfig(ca_file=str(tmp_path / "missing.pem")))


@pytest.mark.parametrize("clock", [None, SystemClock()])
def test_another_process_can_reach_the_file_to_write_a_large_checkpoint(tmp_path: Path, clock: Clock | None) -> None:
    store = opening.open_store(EmbeddedOpt(tmp_path / "queue.db"), clock)
    opens = store.opens_elsewhere()
    assert opens is not None

    elsewhere = opens()

    assert elsewhere.address == store.address
    elsewhere.close()
    store.close()


def test_another_process_would_not_have_a_clock_of_the_callers(tmp_path: Path) -> None:
    store = opening.open_store(EmbeddedOpt(tmp_path / "queue.db"), VirtualClock())

    assert store.opens_elsewhere() is None
    store.close()
