"""Is there an entry that makes the machine raise, or two replicas differ?"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.control.scheduling import SCHEDULING
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.versions import TRANSITIONS
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.unit.machine.log import START_MS

SMALL = st.integers(-1, 4)
TEXT = st.sampled_from(["a", "b", "c", ""])
SCALAR = st.one_of(
    SMALL, TEXT, st.none(), st.booleans(), st.floats(), st.binary(max_size=3), st.integers(-(2**63), 2**64 - 1)
)
ANYTHING = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
HOSTILE = st.builds(lambda code, items: [code, *items], st.integers(-1, 60), st.lists(ANYTHING, max_size=6))

IDS = st.lists(st.sampled_from("abcdef"), max_size=4)
RANGE = st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(1, 4)).map(list)
NEARLY_RIGHT = st.one_of(
    st.builds(lambda ids: c.enqueue(ids, [b"m"] * len(ids)), IDS),
    st.builds(
        lambda ids, at, key: c.enqueue_more(
            ids,
            [b"m"] * len(ids),
            process_at=[at] * len(ids),
            unique_keys=[key] * len(ids),
            unique_ttls=[5 if key else None] * len(ids),
        ),
        IDS,
        st.sampled_from([None, START_MS // 1000 + 1]),
        st.sampled_from([None, "k"]),
    ),
    st.builds(
        lambda ids, at, group: c.enqueue_more(
            ids, [b"m"] * len(ids), process_at=[at] * len(ids), groups=[group] * len(ids)
        ),
        IDS,
        st.sampled_from([None, START_MS // 1000 + 1]),
        st.sampled_from(["g", "h", None]),
    ),
    st.builds(c.aggregate, st.lists(st.sampled_from("ghi"), max_size=3), SMALL, SMALL, SMALL),
    st.builds(
        lambda at, number, ids: c.delete_set(at, number, c.enqueue_more(ids, [b"m"] * len(ids)) if ids else None),
        st.integers(0, 12),
        SMALL,
        IDS,
    ),
    st.builds(c.open_session, TEXT, SMALL, st.integers(0, 5)),
    st.builds(c.session, st.integers(0, 12), st.integers(0, 12), SMALL, st.integers(-2, 5)),
    st.builds(c.close_session, st.integers(0, 12)),
    st.builds(c.leave, st.integers(0, 12)),
    *(
        st.builds(lambda ranges, code=code: [code, ranges], st.lists(RANGE, max_size=2))
        for code in (c.SETTLE_DONE, c.SETTLE_REQUEUE, c.HAND_BACK)
    ),
    st.builds(lambda r, keep: [c.SETTLE_COMPLETE, [[*r, keep]]], RANGE, SMALL),
    st.builds(lambda r: c.settle_retry([(r[0], r[1], 1_500, "e", 1)]), RANGE),
    st.builds(lambda r: c.settle_archive([(r[0], r[1], "e")]), RANGE),
    st.builds(lambda s, r: c.recover_retry([(s, r[0], r[1], 0, "e", 1)]), st.integers(0, 12), RANGE),
    st.builds(lambda r: c.write_result(r[0], r[1], b"r"), RANGE),
    *(st.builds(lambda ids, code=code: [code, ids], IDS) for code in (c.RUN, c.ARCHIVE, c.DELETE)),
    st.builds(lambda at, chunk: c.checkpointed(at, b"d" * 32, chunk, b"t" * 16), st.integers(0, 12), SMALL),
    st.builds(c.activate, SMALL),
    st.sampled_from([c.pause(), c.unpause(), c.tick(), c.ask(), c.reply(b"1" * 16, 1, [0, [1, [2]]])]),
)
ENTRY = st.tuples(
    st.sampled_from([0, 1, 700, 5_000, 12_000, -1_000, -700_000, 40_000]),
    st.sampled_from([b"1" * 16, b"2" * 16]),
    st.lists(st.one_of(NEARLY_RIGHT, NEARLY_RIGHT, HOSTILE), max_size=4),
    st.sampled_from(["next", "next", "next", "again", "gap", "bytes"]),
)


def entries_of(history: list[tuple[int, bytes, list[list[object]], str]]) -> list[tuple[int, int, bool, bytes]]:
    entries, sequences, now_ms = [], {b"1" * 16: 0, b"2" * 16: 0}, START_MS
    for position, (step_ms, writer, commands, kind) in enumerate(history):
        now_ms += step_ms
        sequences[writer] += kind == "next"
        try:
            data = encode_frame(writer, max(sequences[writer], 1) + (kind == "gap"), commands)
        except OverflowError:
            data = b"\x94"
        entries.append((position, now_ms, position % 7 != 6, data[: len(data) // 2] if kind == "bytes" else data))
    return entries


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRY, max_size=14))
def test_nothing_raises_and_every_prefix_replays_to_the_same_digest(
    history: list[tuple[int, bytes, list[list[object]], str]],
) -> None:
    entries = entries_of(history)
    machine = Machine("q")
    digests = []
    for entry in entries:
        machine.apply(*entry)
        digests.append(machine.digest())
        consistent(machine)

    replica = Machine("q")
    for entry, digest in zip(entries, digests, strict=True):
        replica.apply(*entry)
        assert replica.digest() == digest


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            ANYTHING.map(
                lambda a: encode_frame(
                    b"1" * 16,
                    1,
                    [
                        [49, a],
                        [48, a],
                        [52, a],
                        [52, "q", 0, 1, 1, a],
                        [53, a],
                        [60, "e", a, "h", a],
                        [57, "s", a, 1, a],
                        [58, a, "t"],
                    ],
                )
            ),
        ),
        max_size=3,
    )
)
def test_no_bytes_make_a_machine_raise(blobs: list[bytes]) -> None:
    machine, control = Machine("q"), ControlMachine()
    for position, blob in enumerate(blobs):
        machine.apply(position, position * 1_000 - 500, True, blob)
        control.apply(position, position * 1_000 - 500, True, blob)


def test_every_command_of_a_queue_has_a_transition() -> None:
    codes = {value for name, value in vars(c).items() if name.isupper() and isinstance(value, int)}
    outcomes = range(16)

    assert (
        set(TRANSITIONS)
        | {
            c.QUEUE,
            c.SERVER,
            c.SERVER_GONE,
            c.CANCEL,
            c.COUNTS,
            c.QUEUE_GONE,
            c.TAKE_TOKEN,
            c.RETURN_TOKEN,
            *SCHEDULING,
        }
        | set(outcomes)
        >= codes
    )


def consistent(machine: Machine) -> None:
    """Counts agree with what is listed, and every task can be found."""
    from asynq_compat.rules.task_state import TaskState

    counts = machine.counts()
    listed = {state: machine.list_tasks(state) for state in TaskState}
    told = (counts.pending, counts.active, counts.scheduled, counts.retry, counts.archived, counts.completed)
    states = (
        TaskState.PENDING,
        TaskState.ACTIVE,
        TaskState.SCHEDULED,
        TaskState.RETRY,
        TaskState.ARCHIVED,
        TaskState.COMPLETED,
        TaskState.AGGREGATING,
    )
    assert (*told, counts.aggregating) == tuple(len(listed[state]) for state in states)
    views = [view for state in states for view in listed[state]]
    assert len({view.task_id for view in views}) == len(views)
    for view in views:
        assert machine.task(view.task_id) == view
    assert sum(size for _, size in machine.groups()) == counts.aggregating
    assert all(size for _, size in machine.groups())
    sets = machine.state.groups.sets
    in_sets = [task.task_id for one in sets.values() for task in one.tasks]
    assert len(machine.state.tasks) == len(views) + len(in_sets)
    assert all(one.tasks for one in sets.values())
    assert machine.state.groups.name_of.keys() <= machine.state.tasks.keys()
    assert machine.next_due_ms() is None or machine.position >= 0
    machine.describe()
    machine.orphans(0)
    machine.sessions()
