"""Is each command sent to the node of its keys?"""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from asynq_compat.brokers.redis.commands import Reply, command, pack
from asynq_compat.brokers.redis.keys import QUEUES, queue_keys
from asynq_compat.brokers.redis.scripts import script
from asynq_compat.brokers.redis.slots import SlotTable, key_of, read_slots, redirected_to, slot_of


@pytest.mark.parametrize(
    "key",
    [b"", b"foo", b"asynq:{default}:pending", b"{}x", b"a{b}c}", b"{a}{b}", b"{", b"}{", b"123456789", "ä".encode()],
)
def test_a_slot_is_the_one_that_redis_py_computes(key: bytes) -> None:
    assert slot_of(key) == key_slot(key)


def test_all_keys_of_a_queue_share_a_slot() -> None:
    keys = queue_keys("some queue")

    assert len({slot_of(key) for key in (keys.pending, keys.task("x"), keys.group_prefix + b"g", keys.paused)}) == 1
    assert slot_of(QUEUES) != slot_of(keys.pending)


@pytest.mark.parametrize(
    ("packed", "key"),
    [
        (command(b"SADD", QUEUES, b"x").packed, QUEUES),
        (command(b"BLMOVE", b"a", b"a", b"RIGHT", b"RIGHT", 5).packed, b"a"),
        (script("take")([b"k\r\n1", b"k2", b"k3", b"k4"], [b"a"]).packed, b"k\r\n1"),
        (command(b"MEMORY", b"USAGE", b"k").packed, b"k"),
        (command(b"SCAN", b"0", b"MATCH", b"asynq:{a\\*}:t:*", b"COUNT", 1).packed, b"asynq:{a*}:t:*"),
        (command(b"PING").packed, None),
        (command(b"PUBLISH", b"asynq:cancel", b"x").packed, None),
        (pack([b"DBSIZE"]), None),
    ],
)
def test_a_key_is_read_off_a_packed_command(packed: bytes, key: bytes | None) -> None:
    assert key_of(packed) == key


def test_a_table_says_which_node_has_a_slot() -> None:
    table = SlotTable([(5461, 10922, "h:2"), (0, 5460, "h:1")])

    assert [table.address_of(slot) for slot in (0, 5460, 5461, 10922, 10923)] == ["h:1", "h:1", "h:2", "h:2", None]
    assert SlotTable([]).address_of(0) is None
    assert table.addresses == {"h:1", "h:2"}


def test_a_node_that_does_not_know_its_address_is_the_one_that_was_asked() -> None:
    answer: Reply = [
        [0, 1, [b"", 7001, b"id"]],
        [2, 3, [b"?", 7002, b"id"]],
        [4, 5, [b"::1", 7003, b"id"], [b"h", 1, b"id"]],
    ]

    table = read_slots(answer, "seed:7001")

    assert table.addresses == {"seed:7001", "seed:7002", "[::1]:7003"}
    assert redirected_to("MOVED 12 other:7004", "seed:7001") == "other:7004"
    assert redirected_to("ASK 12 :7004", "seed:7001") == "seed:7004"
    assert redirected_to("MOVED 12 ::1:7004", "seed:7001") == "[::1]:7004"
