"""Does the control journal's machine come back as it was?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.errors import CorruptDataError
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.snapshot import control_sections, restore, restore_control
from asynq_compat.wire import command as c
from asynq_compat.wire import scheduling_command as sc
from asynq_compat.wire import snapshot as s
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.token_command import return_token, take_token
from tests.unit.machine.log import START_MS
from tests.unit.machine.picture import picture
from tests.unit.machine.test_snapshot import ANY, OTHER, get, leaves, paths, put

NAME = st.sampled_from(["a", "b", "c"])
START_S = START_MS // 1_000


def counts(name: str, partition: int, position: int) -> c.Command:
    numbers = list(range(1, len(c.COUNTED) + 1))
    since_ms = START_MS + position if position % 2 else None
    return c.counts(name, partition, position, START_MS, numbers, is_paused=True, oldest_pending_since_ms=since_ms)


COMMAND = st.one_of(
    st.builds(c.queue, NAME, st.integers(0, 3)),
    st.builds(
        lambda k, n, ttl: c.server(k, b"info", [("t", b"w")] * n, ttl), NAME, st.integers(0, 3), st.integers(0, 9)
    ),
    st.builds(c.server_gone, NAME),
    st.builds(c.cancel, NAME),
    st.builds(lambda k, n, ttl: sc.scheduler(k, [b"entry"] * n, ttl), NAME, st.integers(0, 3), st.integers(0, 9)),
    st.builds(sc.scheduler_gone, NAME),
    st.builds(sc.enqueued, NAME, st.sampled_from([b"1", b"2"])),
    st.builds(sc.history_gone, NAME),
    st.builds(sc.claim, NAME, st.integers(START_S - 1_803, START_S - 1_797), NAME, st.integers(0, 4_000)),
    st.builds(sc.fired, NAME, st.integers(START_S - 1_803, START_S - 1_797)),
    st.builds(
        lambda s, t, n, in_s: take_token(s, t, n, START_MS // 1000 + in_s),
        NAME,
        NAME,
        st.integers(0, 3),
        st.integers(-2, 9),
    ),
    st.builds(return_token, NAME, NAME),
    st.builds(counts, NAME, st.integers(-1, 2), st.integers(0, 9)),
    st.builds(lambda at, chunk: c.checkpointed(at, b"d" * 32, chunk, b"t" * 16), st.integers(0, 9), st.integers(0, 3)),
)


def rich() -> ControlMachine:
    """A machine that knows something of everything."""
    machine = ControlMachine()
    frames = [
        [c.queue("a", 1), c.queue("b", 2)],
        [c.server("s0", b"2", [("t", b"w"), ("u", b"x")], 90)],
        [c.server("s1", b"1", [], 80), counts("b", 1, 5), counts("b", 2, 7)],
        [sc.scheduler("t0", [b"e", b"f"], 90), sc.scheduler("t1", [b"g"], 80), sc.enqueued("e0", b"1")],
        [sc.enqueued("e1", b"2"), sc.claim("a", START_S + 1, "t0", 5_000), sc.claim("b", START_S + 2, "t1", 6_000)],
        [sc.fired("a", START_S + 1)],
        [take_token("s0", "t", 1, START_MS), take_token("s1", "t", 2, START_MS), take_token("s1", "u", 2, START_MS)],
        [c.checkpointed(1, b"d" * 32, 17, b"t" * 16), c.checkpointed(2, b"e" * 32, 16, b"u" * 16)],
    ]
    for position, commands in enumerate(frames):
        machine.apply(
            position,
            START_MS + 1_000 * position,
            True,
            encode_frame(b"w%d" % (position % 2) + bytes(14), position // 2 + 1, commands),
        )
    machine.apply(len(frames), 0, False, b"")
    return machine


def bodies(machine: ControlMachine) -> list[s.Body]:
    return list(s.unseal(control_sections(machine)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4_000), st.lists(COMMAND, max_size=3)), max_size=10), st.sampled_from([1, 10_000])
)
def test_every_prefix_can_be_saved_and_goes_on_alike(
    history: list[tuple[int, list[c.Command]]], size_bytes_max: int
) -> None:
    machine = ControlMachine()
    restored: list[ControlMachine] = []
    now_ms = START_MS
    for position, (step_ms, commands) in enumerate(history):
        now_ms += step_ms
        entry = (position, now_ms, True, encode_frame(b"w" * 16, position + 1, commands))
        applied = machine.apply(*entry)
        restored.append(restore_control(list(control_sections(machine, size_bytes_max))))
        for one in restored[:-1]:
            assert one.apply(*entry) == applied
        for one in restored:
            assert (one.digest(), one.position, one.queues()) == (machine.digest(), machine.position, machine.queues())
            assert list(control_sections(one)) == list(control_sections(machine))


def test_a_rich_state_has_something_of_everything_and_comes_back() -> None:
    machine = rich()

    lonely = {name for name, value in leaves(picture(machine.state)) if value in (None, False)}
    assert lonely == {
        ".writers.known.answer",
        ".scheduling.claims.is_made",
    }  # Nobody asks here; one claim is made, one is not.
    restored = restore_control(control_sections(machine))
    assert picture(restored.state) == picture(machine.state)


def test_no_item_of_a_snapshot_is_there_in_vain() -> None:
    machine = rich()
    told = bodies(machine)
    assert {body[0] for body in told} == {
        s.HEAD,
        s.STATE,
        s.WRITERS,
        s.QUEUES,
        s.SERVERS,
        s.COUNTS,
        s.SCHEDULERS,
        s.HISTORIES,
        s.CLAIMS,
        s.TOKENS,
    }
    for number, body in enumerate(told):
        for path in paths(body):
            value = get(body, path)
            other = (not value) if isinstance(value, bool) else OTHER[type(value)]
            try:
                after = restore_control(s.seal([*told[:number], put(body, path, other), *told[number + 1 :]]))
            except CorruptDataError:
                continue
            assert picture(after.state) != picture(machine.state), (body[0], path, value)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_sections_that_make_no_sense_give_one_error_and_no_other(data: st.DataObject) -> None:
    told = bodies(rich())
    number = data.draw(st.integers(0, len(told) - 1))
    path = data.draw(st.sampled_from(list(paths(told[number]))))
    told[number] = put(told[number], path[: data.draw(st.integers(1, len(path)))], data.draw(ANY))
    try:
        restore_control(s.seal(told))
    except CorruptDataError:
        return


def test_a_queues_snapshot_is_not_control() -> None:
    with pytest.raises(CorruptDataError, match="belongs to a 'control' journal, not to a queue journal"):
        restore("q", control_sections(rich()))
    with pytest.raises(CorruptDataError, match="breaks off"):
        restore_control([])
