"""Does a program get the broker it was told to use, and is it told which one and why?"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from asynq_compat import connect, errors
from asynq_compat.connect import VARIABLE, choose, default_path, open_broker
from asynq_compat.targets import (
    EmbeddedOpt,
    MemoryOpt,
    RedisClientOpt,
    RedisClusterClientOpt,
    RedisFailoverClientOpt,
    RedpandaOpt,
    Target,
)


@pytest.mark.parametrize("target", [RedisClientOpt("h:1"), RedpandaOpt("h:1"), EmbeddedOpt("x.db"), MemoryOpt("m")])
def test_an_option_object_is_what_it_says(target: Target) -> None:
    assert choose(target, {}) == (target, f"{type(target).__name__} in the code")


def test_a_url_stands_for_an_option_object() -> None:
    assert choose("redis://h:1/2", {}) == (RedisClientOpt("h:1", db=2), "a URL in the code")


def test_the_environment_wins_over_the_code() -> None:
    chosen = choose(RedisClientOpt("h:1"), {VARIABLE: "redpanda://r:9092/shop"})

    assert chosen == (RedpandaOpt(("r:9092",), "shop"), f"the environment variable {VARIABLE}")


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


def test_with_nothing_configured_it_is_the_users_file_and_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connect, "_has_warned", False)
    environment = {"XDG_STATE_HOME": str(tmp_path)}

    chosen = [choose(None, environment) for _ in range(3)]

    path = tmp_path / "asynq_compat" / "asynq.db"
    assert {target for target, _ in chosen} == {EmbeddedOpt(str(path))}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert VARIABLE in warnings[0]


def test_a_relative_state_folder_is_not_followed() -> None:
    assert default_path({"XDG_STATE_HOME": "relative"}) == default_path({})
    assert default_path({}).is_relative_to(Path.home())


@pytest.mark.parametrize(
    "target",
    [RedisFailoverClientOpt(master_name="m", sentinel_addrs=["h:1"]), RedisClusterClientOpt(addrs=["h:1"])],
)
def test_what_comes_later_says_so(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    with pytest.raises(
        errors.UnsupportedByBroker, match=f"{type(target).__name__} cannot be opened yet.*use RedisClientOpt"
    ):
        open_broker(target)
