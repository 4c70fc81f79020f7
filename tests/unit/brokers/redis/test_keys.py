"""Are the keys Asynq's, for any name?"""

from __future__ import annotations

import pytest

from asynq_compat.brokers.redis.commands import command, pack
from asynq_compat.brokers.redis.keys import queue_keys, server_key, utc_day, workers_key
from asynq_compat.brokers.redis.settings import RedisSettings


def test_a_queues_keys_share_its_hash_tag() -> None:
    keys = queue_keys("kritisch ü}")

    assert keys.pending == "asynq:{kritisch ü}}:pending".encode()
    assert keys.task("é") == "asynq:{kritisch ü}}:t:é".encode()


def test_days_are_utc() -> None:
    assert queue_keys("q").processed_on(86_399) == b"asynq:{q}:processed:1970-01-01"
    assert queue_keys("q").failed_on(86_400) == b"asynq:{q}:failed:1970-01-02"
    assert utc_day(19_782) == b"2024-02-29"


def test_a_servers_keys_name_host_pid_and_id() -> None:
    assert server_key("h", 7, "id") == b"asynq:servers:{h:7:id}"
    assert workers_key("h", 7, "id") == b"asynq:workers:{h:7:id}"


def test_commands_are_arrays_of_bulk_strings() -> None:
    assert pack([b"GET", b"a\r\nb"]) == b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n"
    assert command(b"ZADD", b"k", -5).packed == b"*3\r\n$4\r\nZADD\r\n$1\r\nk\r\n$2\r\n-5\r\n"


@pytest.mark.parametrize(
    ("addr", "expected"),
    [
        ("localhost:6380", ("localhost", 6380)),
        ("[::1]:7000", ("::1", 7000)),
        ("redis.internal", ("redis.internal", 6379)),
    ],
)
def test_an_address_is_host_and_port(addr: str, expected: tuple[str, int]) -> None:
    assert RedisSettings(addr=addr).host_and_port == expected


def test_settings_never_show_the_password() -> None:
    assert "s3cret" not in repr(RedisSettings(password="s3cret"))
