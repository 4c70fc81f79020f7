"""Which records might a foreign producer write, and what does each mean?

Contract: one list, for every journal. A record's task is stored as `stored` says (its id, where that is derived, is not told), in `state`,
under `lock`; or it is skipped for a reason that holds `skipped`. The records stand in the order of the list: some meet what others left.
Source: docs/journal.md, "Bare records".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from uuid import UUID

from asynq_compat.machine.applied import Applied, Verdict
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import HEADERS_UNREADABLE, Headers
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message
from asynq_compat.wire.unique import unique_key

QUEUE = "q"
LATER = 4_000_000_000  # the year 2096
FULL = TaskMessage(type="t", payload=b"p", queue=QUEUE, retry=3, timeout=60)
_NO_ID = FULL
_LOCK = unique_key(QUEUE, "t", b"p")
_MEBIBYTES_5 = bytes(range(256)) * (5 * 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One record and its meaning."""

    name: str
    value: bytes
    headers: Headers = ()
    skipped: str = ""
    stored: TaskMessage | None = None
    state: TaskState = TaskState.PENDING
    due_at: int | None = None
    lock: str = ""


def named(task_id: str, message: TaskMessage = FULL) -> TaskMessage:
    return replace(message, id=task_id)


def kept(name: str, message: TaskMessage, value: bytes | None = None, stored: TaskMessage | None = None) -> Case:
    """A pending task; without `value` the record is the message as Go writes it."""
    return Case(name=name, value=encode_message(message) if value is None else value, stored=stored or message)


def lost(name: str, value: bytes, reason: str) -> Case:
    return Case(name=name, value=value, skipped=reason)


def headed(
    name: str,
    *headers: tuple[str, bytes],
    skipped: str = "",
    due_at: int | None = None,
    lock: str = "",
    group: str = "",
) -> Case:
    """The task `name`, by a record with headers."""
    message = named(name)
    return Case(
        name=name,
        value=encode_message(message),
        headers=headers,
        skipped=skipped,
        stored=None if skipped else replace(message, unique_key=lock, group_key=group),
        state=TaskState.SCHEDULED if due_at is not None else TaskState.AGGREGATING if group else TaskState.PENDING,
        due_at=due_at,
        lock=lock,
    )


def framed(index: str, message: TaskMessage) -> bytes:
    return b"\0\0\0\0\7" + bytes.fromhex(index) + encode_message(message)


def _field(tag: int, value: bytes) -> bytes:
    return bytes((tag, len(value))) + value


_ENDS = _field(0x22, b"q") + b"\x28\x03\x40\x3c"  # queue, retry, timeout as in FULL
_TYPE, _PAYLOAD = _field(0x0A, b"t"), _field(0x12, b"p")

DUPLICATE = "duplicate"
"""`skipped` of a record whose lock is held: nothing is said about it."""

VALUES = [
    kept("a whole message", named("whole")),
    lost("no value", b"", "it is empty"),
    kept("an empty id", _NO_ID),
    kept("white space for an id", named(" \t\u00a0\u2003\n"), stored=_NO_ID),
    kept("an id with white space around", named(" a ")),
    kept("an id of control characters is none of white space", named("\x1c")),
    lost("an id that is not UTF-8", _TYPE + b"\x1a\x01\xff" + _ENDS, "not valid UTF-8"),
    lost("an id with a surrogate in UTF-8", _TYPE + b"\x1a\x03\xed\xa0\x80" + _ENDS, "not valid UTF-8"),
    lost("a taken id", encode_message(named("whole", TaskMessage(type="other"))), "the id 'whole' is taken"),
    lost("a blank type", encode_message(named("blank type", replace(FULL, type="\u2003"))), "its task type is blank"),
    lost("no type", encode_message(named("no type", replace(FULL, type=""))), "its task type is blank"),
    kept("another queue", named("other queue", replace(FULL, queue="other")), stored=named("other queue")),
    kept("no queue", named("no queue", replace(FULL, queue="")), stored=named("no queue")),
    kept(
        "neither timeout nor deadline",
        named("no limits", replace(FULL, timeout=0)),
        stored=named("no limits", replace(FULL, timeout=1800)),
    ),
    kept("a deadline alone", named("deadline", replace(FULL, timeout=0, deadline=LATER))),
    kept("limits below zero", named("negative limits", replace(FULL, timeout=-1, deadline=-(2**63)))),
    kept("a retry below zero", named("negative retry", replace(FULL, retry=-5))),
    kept("the largest retry", named("largest retry", replace(FULL, retry=2**31 - 1))),
    kept(
        "a retry of 64 bits is cut to 32",
        named("wide retry", replace(FULL, retry=1)),
        _TYPE + _PAYLOAD + _field(0x1A, b"wide retry") + _field(0x22, b"q") + b"\x28\x81\x80\x80\x80\x10\x40\x3c",
    ),
    kept("the largest numbers", named("huge", replace(FULL, timeout=2**63 - 1, deadline=2**63 - 1, retention=2**63 - 1))),
    kept(
        "what earlier attempts left",
        named("travelled", replace(FULL, retried=2, error_msg="boom", last_failed_at=99, completed_at=100)),
    ),
    kept("retried below zero", named("negative retried", replace(FULL, retried=-7))),
    kept("a unique key without a ttl", named("key", replace(FULL, unique_key="k"))),
    kept("a group key", named("group key", replace(FULL, group_key="g"))),
    kept("Asynq's headers", named("headers", replace(FULL, headers={"trace": "a1"}))),
    kept(
        "unknown fields", named("unknown", replace(FULL, unknown=b"\xf8\x07\x01")), encode_message(named("unknown")) + b"\xf8\x07\x01"
    ),
    kept(
        "groups are unknown fields",
        named("group", replace(FULL, unknown=b"\xa3\x01\x08\x01\xa4\x01")),
        encode_message(named("group")) + b"\xa3\x01\x08\x01\xa4\x01",
    ),
    lost("a group that does not end", encode_message(named("open group")) + b"\xa3\x01\x08\x01", "cut short"),
    lost("a group that ends as another", encode_message(named("wrong group")) + b"\xa3\x01\xac\x01", "the wrong group ends"),
    lost("an end without a group", encode_message(named("end group")) + b"\xa4\x01", "no value of wire type"),
    kept("a field twice: the last one", named("twice"), _field(0x0A, b"first") + _field(0x1A, b"no") + encode_message(named("twice"))),
    kept(
        "a known field with a wrong wire type is unknown",
        named("wrong kind", replace(FULL, unknown=b"\x2d\1\2\3\4")),
        encode_message(named("wrong kind")) + b"\x2d\1\2\3\4",
    ),
    kept("an overlong varint", named("overlong"), _TYPE + _PAYLOAD + _field(0x1A, b"overlong") + b"\x22\x81\x00q\x28\x83\x80\x00\x40\x3c"),
    lost("a varint above 64 bits", encode_message(named("wide")) + b"\x60" + b"\xff" * 9 + b"\x02", "larger than 64 bits"),
    lost("a varint that is cut short", encode_message(named("cut")) + b"\x60\xff", "cut short"),
    lost("a text that is cut short", encode_message(named("cut text"))[:12], "cut short"),
    lost("field number 0", encode_message(named("zero")) + b"\x02\x00", "no valid field number"),
    lost("JSON", b'{"type":"t"}', "it is no TaskMessage"),
    lost("a text", b"hello", "it is no TaskMessage"),
    lost("the first byte of a frame, alone", b"\x90", "not an array of four items"),
    lost("a frame that is cut short", b"\x94\x01\xc4\x10", "not msgpack"),
    kept("5 MiB of payload", named("large", replace(FULL, payload=_MEBIBYTES_5))),
]  # fmt: skip

FRAMINGS = [
    kept("the first message", named("framed"), framed("00", named("framed"))),
    kept("the first message as a list", named("list"), framed("0200", named("list"))),
    kept("a nested message", named("nested"), framed("04020a", named("nested"))),
    kept("an index with overlong varints", named("overlong index"), framed("82008000", named("overlong index"))),
    lost("nothing but the magic byte", b"\0", "framing is cut short"),
    lost("no index", b"\0\0\0\0\7", "framing is cut short"),
    lost("an index that is cut short", b"\0\0\0\0\7\4\2", "cut short"),
    lost("a negative count", framed("01", named("negative")), "makes no sense"),
    lost("a count beyond all nesting", framed("fe7f", named("deep")), "makes no sense"),
    lost("no message", framed("00", TaskMessage()), "its task type is blank"),
    lost("framed JSON", b'\0\0\0\0\7\0{"a":1}', "it is no TaskMessage"),
]

_AT = str(LATER).encode()
HEADERS = [
    headed("later", ("process_at", _AT), due_at=LATER),
    headed("past", ("process_at", b"1")),
    headed("epoch", ("process_at", b"-0")),
    headed("long past", ("process_at", b"-9999999999999999999")),
    headed("year 9999", ("process_at", b"0253402300799"), due_at=253_402_300_799),
    headed("milliseconds", ("process_at", _AT + b"000"), skipped="are these milliseconds?"),
    headed("beyond 64 bits", ("process_at", b"9" * 20), skipped="process_at must be a whole number"),
    headed("no number", ("process_at", b"soon"), skipped="process_at must be a whole number"),
    headed("a fraction", ("process_at", _AT + b".5"), skipped="process_at must be a whole number"),
    headed("a sign", ("process_at", b"+" + _AT), skipped="process_at must be a whole number"),
    headed("white space", ("process_at", b" " + _AT), skipped="process_at must be a whole number"),
    headed("a line", ("process_at", _AT + b"\n"), skipped="process_at must be a whole number"),
    headed("other digits", ("process_at", "\u0664".encode()), skipped="process_at must be a whole number"),
    headed("eight bytes", ("process_at", LATER.to_bytes(8, "big")), skipped="process_at must be a whole number"),
    headed("an empty header", ("process_at", b""), skipped="process_at must be a whole number"),
    headed("the last one counts", ("process_at", b"x"), ("process_at", _AT), due_at=LATER),
    headed("the last one is wrong", ("process_at", _AT), ("process_at", b"x"), skipped="process_at must be"),
    headed("other names", ("Process_At", b"x"), ("process-at", b"x"), ("", b""), ("traceparent", b"\xff")),
    headed("unique", ("unique_ttl", b"60"), lock=_LOCK),
    headed("no ttl", ("unique_ttl", b"0"), skipped="unique_ttl must be seconds from 1"),
    headed("a negative ttl", ("unique_ttl", b"-1"), skipped="unique_ttl must be seconds from 1"),
    headed("a huge ttl", ("unique_ttl", b"9223372037"), skipped="unique_ttl must be seconds from 1"),
    headed("a ttl in words", ("unique_ttl", b"1h"), skipped="unique_ttl must be a whole number"),
    headed("grouped", ("group", "größe".encode()), group="größe"),
    headed("grouped later", ("group", b"g"), ("process_at", _AT), due_at=int(_AT), group="g"),
    headed("blank group", ("group", b" "), skipped="its header group is blank"),
    headed("empty group", ("group", b""), skipped="its header group is blank"),
    headed("group of no text", ("group", b"\xff"), skipped="group must be UTF-8"),
    headed("unique later", ("unique_ttl", b"60"), ("process_at", _AT), skipped=DUPLICATE),
    headed("a name that is no text", *HEADERS_UNREADABLE, skipped="the name of one of its headers is not UTF-8"),
]  # fmt: skip

CASES = VALUES + FRAMINGS + HEADERS


def check(case: Case, machine: Machine, applied: Applied) -> None:
    """Fail unless the record did what the case says."""
    if case.skipped == DUPLICATE:
        assert (applied.verdict, applied.outcomes, applied.notes) == (Verdict.BARE, [[c.DUPLICATE]], []), case.name
    elif case.skipped:
        assert applied.verdict is Verdict.UNREADABLE or applied.outcomes == [[c.ID_TAKEN]], case.name
        assert f"entry {applied.position} was skipped: " in applied.notes[0], case.name
        assert case.skipped in applied.notes[0], case.name
    else:
        assert case.stored is not None
        assert (applied.verdict, applied.outcomes, applied.notes) == (Verdict.BARE, [0], []), case.name
        task_id = case.stored.id or derived_id(machine, applied.position)
        view = machine.task(task_id)
        assert view is not None, case.name
        assert decode_message(view.message) == replace(case.stored, id=task_id), case.name
        assert view.state is case.state, case.name
        assert view.due_at == case.due_at or view.state is TaskState.AGGREGATING, case.name
        assert machine.lock_holder(case.stored.unique_key) == (task_id if case.lock else None), case.name


def derived_id(machine: Machine, position: int) -> str:
    """The id of a record without one, as docs/journal.md has it."""
    journal_id, partition, _ = machine.genesis or (b"", 0, 1)
    seed = b"%b:%d:%d" % (journal_id, partition, position)
    return str(UUID(bytes=blake2b(seed, digest_size=16).digest(), version=4))
