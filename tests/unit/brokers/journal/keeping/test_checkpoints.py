"""Is there at every moment a checkpoint that is whole and has everything behind it?"""

from __future__ import annotations

import pytest

from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK, write
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.brokers.journal.keeping.loading import check_of, newest_size
from asynq_compat.errors import CorruptDataError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, NotInJournalError
from asynq_compat.wire.checkpoint import Chunk, Confirmed, decode_state_entry, encode_chunk, encode_confirmed
from tests.unit.brokers.journal.keeping.workshop import KilledError, Workshop, kill_behind


@pytest.fixture
def shop() -> Workshop:
    shop = Workshop()
    shop.fill(10)
    return shop


def test_without_a_checkpoint_a_replica_begins_at_the_beginning(shop: Workshop) -> None:
    assert shop.load() is None
    assert shop.begin().digest() == shop.machine.digest()


def test_a_replica_begins_at_the_newest_checkpoint(shop: Workshop) -> None:
    shop.checkpoint()
    shop.fill()
    newest = shop.checkpoint()
    shop.fill()

    restored = shop.load()

    assert restored is not None
    assert restored.confirmed == newest
    assert restored.entry.position == restored.fold.position == newest.position
    assert shop.begin().digest() == shop.machine.digest()
    assert newest.chunk_count > 3


def test_a_journal_is_cut_behind_the_marker_before(shop: Workshop) -> None:
    first = shop.checkpoint()
    assert first is not None
    assert shop.journal.first() == shop.state.first() == 0
    shop.fill()

    second = shop.checkpoint()
    assert second is not None
    shop.fill()
    shop.checkpoint()

    assert shop.journal.first() == second.position
    assert shop.state.first() == second.first_chunk
    assert shop.begin().digest() == shop.machine.digest()


def test_what_has_to_stay_stays(shop: Workshop) -> None:
    for _ in range(4):
        shop.checkpoint(stays_from=7)
        shop.fill()

    assert shop.journal.first() == 7


@pytest.mark.parametrize("step", [CHUNK, READ_BACK, MARKED, CONFIRMED, JOURNAL_CUT, STATE_CUT])
def test_a_keeper_may_die_behind_any_step(shop: Workshop, step: str) -> None:
    for _ in range(3):
        shop.checkpoint()
        shop.fill()

    for _ in range(5):
        with pytest.raises(KilledError):
            shop.checkpoint(at=kill_behind(step))
        shop.fill()
        assert shop.begin().digest() == shop.machine.digest()

    final = shop.checkpoint()
    restored = shop.load()
    assert restored is not None
    assert restored.confirmed == final
    assert shop.begin().digest() == shop.machine.digest()


def test_of_two_keepers_at_once_the_journal_takes_whose_marker_comes_first(shop: Workshop) -> None:
    older = shop.snapshot()
    shop.fill()
    newer = shop.snapshot()

    assert shop.checkpoint(newer) is not None
    assert shop.checkpoint(older) is None

    restored = shop.load()
    assert restored is not None
    assert restored.entry.position == newer.entry.position


def test_a_keeper_that_slept_between_marker_and_confirmation_harms_nothing(shop: Workshop) -> None:
    sleeper = write(shop.snapshot(), shop.state)
    step: object = next(sleeper)
    while isinstance(step, str):
        step = next(sleeper)
    assert shop.mark(step.command)  # type: ignore[attr-defined]  # What is no step is the marker.
    for _ in range(4):
        shop.fill()
        shop.checkpoint()

    with pytest.raises(StopIteration):
        sleeper.send(True)

    shop.fill()
    assert shop.begin().digest() == shop.machine.digest()


def test_chunks_that_were_cut_meanwhile_are_never_marked(shop: Workshop) -> None:
    """A keeper that slept behind its chunks cannot read them back."""
    sleeper = write(shop.snapshot(), shop.state)
    while next(sleeper) == CHUNK and shop.state.end() < 2:
        pass
    for _ in range(4):
        shop.fill()
        shop.checkpoint()

    with pytest.raises(CorruptDataError):
        for _ in sleeper:
            pass


def test_a_damaged_checkpoint_is_passed_over(shop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    newest = shop.checkpoint()
    assert newest is not None
    shop.fill()
    assert shop.last is not None
    lie = Confirmed(newest.writer_id, shop.last.position, bytes(32), newest.first_chunk, 1, 1, check_of(shop.last.data))
    for _ in range(3):
        shop.state.append(encode_confirmed(lie))
    shop.fill()

    restored = shop.load()

    assert restored is not None
    assert restored.confirmed == newest
    assert "is not what was confirmed" in caplog.text
    assert shop.begin().digest() == shop.machine.digest()


def test_chunks_that_stand_twice_or_between_others_are_sorted_out(shop: Workshop) -> None:
    one, other = write(shop.snapshot(), shop.state), write(shop.snapshot(), shop.state)
    for _ in range(3):
        assert next(one) == CHUNK
        last = decode_state_entry(shop.state.read(shop.state.end() - 1, wait_s=0).entries[0].data)
        assert isinstance(last, Chunk)
        shop.state.append(encode_chunk(last))
        assert next(other) == CHUNK

    step: object = next(one)
    while isinstance(step, str):
        step = next(one)
    assert shop.mark(step.command)  # type: ignore[attr-defined]  # What is no step is the marker.
    with pytest.raises(StopIteration):
        one.send(True)

    assert shop.load() is not None
    assert shop.begin().digest() == shop.machine.digest()


def test_checkpoints_of_another_journal_are_not_loaded(shop: Workshop) -> None:
    """A topic was deleted and made anew, that of its checkpoints was left."""
    shop.checkpoint()
    old_state = shop.state
    anew = Workshop()
    anew.fill(30)
    for entry in old_state.read(BEFORE_THE_FIRST, wait_s=0).entries:
        anew.state.append(entry.data)

    assert anew.load() is None
    assert anew.begin().digest() == anew.machine.digest()


def test_a_cut_journal_without_checkpoints_cannot_be_begun(shop: Workshop) -> None:
    for _ in range(3):
        shop.checkpoint()
        shop.fill()
    shop.state.truncate(shop.state.end() + 1)

    assert shop.load() is None
    with pytest.raises(NotInJournalError):
        shop.begin()


def test_the_size_of_the_newest_is_known_without_loading_it(shop: Workshop) -> None:
    assert newest_size(shop.state) == 0

    shop.checkpoint()
    shop.fill(40)
    newest = shop.checkpoint()

    assert newest is not None
    assert newest_size(shop.state) == newest.size_bytes
