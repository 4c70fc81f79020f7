"""Does a machine that was saved and restored go on as if nothing had happened?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.errors import CorruptDataError, NewerReleaseError
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.wire import command as c
from asynq_compat.wire import snapshot as s
from tests.unit.machine.log import START_MS, Entry, Log, message
from tests.unit.machine.picture import picture
from tests.unit.machine.test_totality import ENTRY, consistent, entries_of


def again(machine: Machine, size_bytes_max: int = s.SECTION_BYTES_AIM) -> Machine:
    """The machine, saved and restored."""
    return restore(machine.queue, list(snapshot_sections(machine, size_bytes_max)))


def bodies(machine: Machine, size_bytes_max: int = s.SECTION_BYTES_AIM) -> list[s.Body]:
    return list(s.unseal(snapshot_sections(machine, size_bytes_max)))


def goes_on_alike(entries: list[Entry], size_bytes_max: int) -> None:
    """Save and restore after every entry; each machine that comes back takes all that follows."""
    machine = Machine("q")
    restored: list[Machine] = []
    for entry in entries:
        applied = machine.apply(*entry)
        for one in restored:
            assert one.apply(*entry) == applied
        sections = list(snapshot_sections(machine, size_bytes_max))
        restored.append(restore("q", sections))
        for one in restored:
            assert picture(one.state) == picture(machine.state)
            assert list(snapshot_sections(one, size_bytes_max)) == sections
        assert (restored[-1].digest(), restored[-1].describe()) == (machine.digest(), machine.describe())
        assert restored[-1].next_due_ms() == machine.next_due_ms()
        consistent(restored[-1])


@settings(max_examples=30, deadline=None)
@given(st.lists(ENTRY, max_size=14), st.sampled_from([1, 200, s.SECTION_BYTES_AIM]))
def test_every_prefix_of_a_history_can_be_saved_and_goes_on_alike(
    history: list[tuple[int, bytes, list[list[object]], str]], size_bytes_max: int
) -> None:
    goes_on_alike([(*entry, ()) for entry in entries_of(history)], size_bytes_max)


def rich() -> Log:
    """A journal whose state has something of everything: no field of a record has everywhere the value it begins with."""
    log = Log()
    log.frame(c.genesis(b"j" * 16, 1, 3))
    log.frame(c.enqueue(list("abcdefghijklmnop"), [message(i) for i in "abcdefghijklmnop"]))
    at = START_MS // 1000 + 50
    more, keys = list("rstuvw"), ["k1", None, None, "k2", "k3", None]
    ttls = [900 if key else None for key in keys]
    due = [None, at, at + 1, at, None, None]
    log.frame(c.enqueue_more(more, [message(i) for i in more], process_at=due, unique_keys=keys, unique_ttls=ttls))
    lost = log.open("lost", credit=3)
    log.now_ms += 1_000
    kept = log.open("kept", credit=8)
    log.session(lost, c.write_result(lost, 0, b"result"), mark=(lost, 1))
    log.session(kept, c.settle_done([(kept, 1, 3)]), c.settle_retry([(kept, 3, 90_000, "no", 1)]), mark=(kept, 5))
    log.session(kept, c.settle_archive([(kept, 5, "no")]), c.settle_complete([(kept, 6, 7, 600)]), mark=(kept, 5))
    log.session(kept, c.settle_requeue([(kept, 7, 8)]))
    for _ in range(4):
        log.now_ms += 7_500
        log.session(kept, credit=0)
    log.now_ms += 1_000
    log.session(kept, c.hand_back([(kept, 4, 5)]), credit=1)
    log.now_ms += 2_500
    log.frame(c.pause(), writer="operator")
    log.open("spare", credit=2)
    log.frame(c.checkpointed(3, b"d" * 32, 17, b"t" * 16), c.checkpointed(4, b"e" * 32, 16, b"u" * 16))
    log.frame(c.ask(), c.delete(["nobody", "e"]), c.tick())
    grouped = c.enqueue_more(list("ABCDE"), [message(i) for i in "ABCDE"], groups=["g", "g", "h", "g", "h"])
    log.frame(grouped, c.enqueue_more(["F"], [message("F")], process_at=[at + 99], groups=["h"]), writer="grouper")
    log.frame(c.aggregate(["g"], 2, 0, 0), c.aggregate(["h"], 1, 0, 0), writer="grouper")
    log.append(message("i"))
    log.append(message("new"), (("unique_ttl", b"9"),))
    log.append(message("newer"), (("unique_ttl", b"9"),))
    log.append(b"\x92", is_log_time=False)
    return log


def test_a_rich_state_has_something_of_everything() -> None:
    """Whoever adds a field to the state lets it differ here from what it begins with."""
    machine = rich().machine
    blank = Machine("q")

    values: dict[str, set[str]] = {}
    for name, value in leaves(picture(machine.state)):
        values.setdefault(name, set()).add(repr(value))
    beginnings = {name: {repr(value)} for name, value in leaves(picture(blank.state))}

    assert {name for name in values if values[name] == beginnings.get(name)} == {".version"}
    lonely = {name for name, seen in values.items() if seen <= {"0", "None", "''", "False", "[]"}}
    assert lonely == {".sessions.assignments.orphaned_ms"}  # Only `orphans` have one.


def leaves(thing: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Give each plain value with the names of the fields that lead to it."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from leaves(value, f"{name}.{key}")
    elif isinstance(thing, list | tuple) and thing:
        for item in thing:
            yield from leaves(item, name)
    else:
        yield name, thing


def test_a_rich_state_comes_back_and_goes_on() -> None:
    log = rich()
    restored = again(log.machine, 100)
    assert picture(restored.state) == picture(log.machine.state)

    log.frame(c.unpause(), writer="operator")
    for _ in range(40):
        log.pass_s(8)
        log.frame(c.enqueue_more(["x"], [b"m"], unique_keys=["k1"], unique_ttls=[7]))
        log.frame(c.aggregate(["g", "h"], 2, 0, 30), c.delete_set(log.position - 40, 0))
        log.open("late", credit=1)
    for entry in log.entries[restored.position + 1 :]:
        restored.apply(*entry)

    assert picture(restored.state) == picture(log.machine.state)
    assert restored.digest() == log.machine.digest()


def paths(item: object, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Give the path to each plain value in a section."""
    if isinstance(item, list) and item:
        for index, inner in enumerate(item):
            yield from paths(inner, (*path, index))
    else:
        yield path


def put(body: s.Body, path: tuple[int, ...], value: object) -> s.Body:
    """A copy of a section with another value at a path."""
    copy = list(body)
    first, *rest = path
    inner = copy[first]
    copy[first] = put(inner, tuple(rest), value) if rest and isinstance(inner, list) else value
    return copy


def get(item: object, path: tuple[int, ...]) -> object:
    for index in path:
        assert isinstance(item, list)
        item = item[index]
    return item


OTHER: dict[type, object] = {int: -7, str: "other", bytes: b"other", type(None): 5, list: [1]}


def test_no_item_of_a_snapshot_is_there_in_vain() -> None:
    """Each value, changed or left out, is refused or makes another state: nothing is saved that is not read."""
    machine = rich().machine
    told = bodies(machine)
    before = picture(machine.state)
    checked_count = 0
    for number, body in enumerate(told):
        for path in paths(body):
            value = get(body, path)
            other = (not value) if isinstance(value, bool) else OTHER[type(value)]
            changed = [*told[:number], put(body, path, other), *told[number + 1 :]]
            try:
                after = picture(restore("q", s.seal(changed)).state)
            except CorruptDataError:
                continue
            finally:
                checked_count += 1
            assert after != before, (body[0], path, value)
    assert checked_count > 150


def test_no_section_of_a_snapshot_is_there_in_vain() -> None:
    machine = rich().machine
    told = bodies(machine)
    assert {body[0] for body in told} == {*range(s.GROUP_NAMES + 1)}

    for number in range(len(told)):
        try:
            after = picture(restore("q", s.seal([*told[:number], *told[number + 1 :]])).state)
        except CorruptDataError:
            continue
        assert after != picture(machine.state), told[number][0]


ANY_ITEM = st.one_of(st.none(), st.booleans(), st.integers(-3, 2**63), st.text(max_size=2), st.binary(max_size=2))
ANY = st.recursive(ANY_ITEM, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_sections_that_make_no_sense_give_one_error_and_no_other(data: st.DataObject) -> None:
    """A seal tells who damaged bytes; this is about what somebody sealed."""
    told = bodies(RICH)
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(told) - 1))
        if not told[number]:
            continue
        path = data.draw(st.sampled_from(list(paths(told[number]))))
        path = path[: data.draw(st.integers(1, len(path)))]
        told[number] = put(told[number], path, data.draw(ANY))
    try:
        restored = restore("q", s.seal(told))
    except CorruptDataError:
        return
    assert restored.describe()


RICH = rich().machine


def test_equal_states_give_equal_sections_whatever_their_containers() -> None:
    one_by_one, at_once = Log(), Log()
    ids = [f"task-{number}" for number in range(2_500)]
    for task_id in ids:
        one_by_one.enqueue(task_id)
    at_once.position = len(ids) - 1
    at_once.frame(c.enqueue(ids, [message(i) for i in ids]))
    first, second = ([b for b in bodies(log.machine, 50_000) if b[0] == s.PENDING] for log in (one_by_one, at_once))

    assert first == second
    assert len(first) > 2


def test_a_section_stays_below_its_size() -> None:
    log = Log()
    ids = [f"task-{number}" for number in range(300)]
    log.frame(c.enqueue(ids, [bytes(50 + number % 200) for number in range(300)]))
    log.open(credit=100)
    log.frame(c.enqueue(["large"], [bytes(9_000)]))

    sizes = [len(section) for section in snapshot_sections(log.machine, 4_000)]

    assert [size for size in sizes if size > 4_000] == [max(sizes)]
    assert max(sizes) < 9_100
    assert picture(again(log.machine, 4_000).state) == picture(log.machine.state)


def test_a_snapshot_of_another_format_or_journal_is_refused() -> None:
    told = bodies(Machine("q"))

    with pytest.raises(NewerReleaseError, match="format 2, this release reads format 1; upgrade"):
        restore("q", s.seal([put(told[0], (1,), 2), *told[1:]]))
    with pytest.raises(CorruptDataError, match="belongs to a 'control' journal"):
        restore("q", s.seal([put(told[0], (2,), "control"), *told[1:]]))
    with pytest.raises(CorruptDataError, match="head"):
        restore("q", s.seal(told[1:]))
    with pytest.raises(CorruptDataError):
        restore("q", s.seal(told[:1]))


@pytest.mark.parametrize("key", [0, None, b""])
def test_a_unique_key_that_is_no_text_is_refused_also_where_there_is_none(key: object) -> None:
    told = bodies(RICH)
    (number,) = (number for number, body in enumerate(told) if body[0] == s.EXTRAS)
    first_key = (1, 0, 1)
    assert put(told[number], first_key, "") == told[number]

    told[number] = put(told[number], first_key, key)

    with pytest.raises(CorruptDataError):
        restore("q", s.seal(told))
