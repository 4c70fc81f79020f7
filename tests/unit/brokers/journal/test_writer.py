"""Does everything handed to a writer stand in the journal once, whatever goes wrong with an append?"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.brokers.journal.writing import writer as writer_module
from asynq_compat.brokers.journal.writing.framing import (
    BLIND_NAME_S_MIN,
    BLIND_SILENCE_S_MAX,
    FRAME_AGE_S_MAX,
    SILENCE_S_MAX,
)
from asynq_compat.brokers.journal.writing.outbox import PENDING_BYTES_MAX
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError
from asynq_compat.journals.journal import BEFORE_THE_FIRST
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire import command
from asynq_compat.wire.frame import Frame, decode_frame
from tests.unit.brokers.journal.faulty import FaultyJournal
from tests.unit.brokers.journal.workplace import wait_until


@pytest.fixture
def journal() -> FaultyJournal:
    return FaultyJournal(MemoryJournalStore(uuid.uuid4().hex).open("queue.test"))


@pytest.fixture
def writer(journal: FaultyJournal, clock: VirtualClock) -> Iterator[Writer]:
    opened = Writer(journal, clock, name="queue.test")
    yield opened
    opened.close(timeout_s=0.1)


def ticket(name: str = "a", *, needs_outcomes: bool = False) -> Ticket:
    return Ticket([command.run([name])], needs_outcomes=needs_outcomes)


def frames(journal: FaultyJournal) -> list[Frame]:
    """Every frame that stands in the journal."""
    found = [decode_frame(entry.data) for entry in journal.read(BEFORE_THE_FIRST, wait_s=0).entries]
    return [frame for frame in found if isinstance(frame, Frame)]


def test_frames_of_one_writer_are_numbered(writer: Writer, journal: FaultyJournal) -> None:
    writer.commit(ticket("a"), timeout_s=60)
    writer.commit(ticket("b"), timeout_s=60)

    assert [(frame.sequence, frame.commands) for frame in frames(journal)] == [
        (1, [[command.RUN, ["a"]]]),
        (2, [[command.RUN, ["b"]]]),
    ]


def test_what_gathers_goes_out_in_one_frame(writer: Writer, journal: FaultyJournal) -> None:
    tickets = [ticket(str(number)) for number in range(5)]
    for one in tickets:
        writer.enqueue(one, timeout_s=60)

    writer.wait(tickets[-1], timeout_s=60)

    assert [len(frame.commands) for frame in frames(journal)] == [5]
    assert {one.position for one in tickets} == {0}


def test_a_frame_holds_no_more_than_a_thousand_tasks(writer: Writer, journal: FaultyJournal) -> None:
    tickets = [Ticket([command.run(["a"])], task_count=400) for _ in range(5)]
    for one in tickets:
        writer.enqueue(one, timeout_s=60)

    writer.wait(tickets[-1], timeout_s=60)

    assert [len(frame.commands) for frame in frames(journal)] == [2, 2, 1]


def test_a_ticket_that_is_alone_shares_no_frame(writer: Writer, journal: FaultyJournal) -> None:
    tickets = [ticket(), Ticket([command.run(["alone"])], is_alone=True), ticket()]
    for one in tickets:
        writer.enqueue(one, timeout_s=60)

    writer.wait(tickets[-1], timeout_s=60)

    assert [len(frame.commands) for frame in frames(journal)] == [1, 1, 1]


def test_a_refused_append_is_made_again_with_the_same_bytes(writer: Writer, journal: FaultyJournal) -> None:
    journal.refuse = 2

    writer.commit(ticket(), timeout_s=60)

    assert len(set(journal.appended)) == 1
    assert len(journal.appended) == 3
    assert [frame.sequence for frame in frames(journal)] == [1]


def test_an_append_whose_answer_is_lost_is_settled_by_the_log(writer: Writer, journal: FaultyJournal) -> None:
    writer.follow()
    journal.lose = 1_000
    one = ticket(needs_outcomes=True)
    caller = threading.Thread(target=lambda: writer.commit(one, timeout_s=60))
    caller.start()
    entry = journal.read(BEFORE_THE_FIRST, wait_s=60).entries[0]
    frame = decode_frame(entry.data)
    assert isinstance(frame, Frame)

    writer.on_applied(frame.writer_id, frame.sequence, entry.position, [0])
    caller.join(60)

    assert not caller.is_alive()
    assert (one.position, one.outcomes, one.error) == (entry.position, [0], None)
    journal.lose = 0
    writer.commit(ticket("next"), timeout_s=60)
    assert frames(journal)[-1].sequence == 2


def test_without_a_log_to_tell_a_caller_gives_up_and_the_writer_goes_on_as_another(
    writer: Writer, journal: FaultyJournal
) -> None:
    journal.lose = 1_000

    with pytest.raises(BrokerUnavailableError) as caught:
        writer.commit(ticket("doubtful"), timeout_s=0.2)
    journal.lose = 0
    writer.commit(ticket("next"), timeout_s=60)

    assert caught.value.may_have_happened
    assert "may or may not" in str(caught.value)
    first, *_, last = frames(journal)
    assert last.writer_id != first.writer_id
    assert (last.sequence, last.commands) == (1, [[command.RUN, ["next"]]])


def test_a_frame_that_no_append_can_have_stored_says_so(writer: Writer, journal: FaultyJournal) -> None:
    journal.refuse = 1_000

    with pytest.raises(BrokerUnavailableError, match="refused by the test") as caught:
        writer.commit(ticket(), timeout_s=0.2)

    assert not caught.value.may_have_happened


def test_a_missing_right_is_told_long_before_the_timeout(writer: Writer, journal: FaultyJournal) -> None:
    journal.deny = 1_000

    with pytest.raises(BrokerUnavailableError, match="denied by the test") as caught:
        writer.commit(ticket("denied"), timeout_s=600)
    journal.deny = 0
    writer.commit(ticket("next"), timeout_s=60)

    assert not caught.value.may_have_happened
    assert [frame.commands for frame in frames(journal)] == [[[command.RUN, ["next"]]]]


def test_a_right_that_was_given_just_now_may_take_its_time(writer: Writer, journal: FaultyJournal) -> None:
    journal.deny = 3

    writer.commit(ticket(), timeout_s=60)

    assert [frame.sequence for frame in frames(journal)] == [1]


def test_what_may_be_stored_is_not_given_up_for_a_right(writer: Writer, journal: FaultyJournal) -> None:
    """The right was taken away behind an append whose answer was lost."""
    journal.lose = 1
    writer.follow()
    one = ticket(needs_outcomes=True)

    writer.submit(one)
    wait_until(lambda: journal.lose == 0, "the answer to be lost")
    journal.deny = 1_000
    wait_until(lambda: journal.deny < 995, "the denials")
    assert not one.is_settled
    (frame,) = {(frame.writer_id, frame.sequence) for frame in frames(journal)}
    writer.on_applied(*frame, 0, [0])

    assert (one.outcomes, one.error) == ([0], None)


def test_what_was_never_sent_says_so(writer: Writer, journal: FaultyJournal) -> None:
    writer.follow()
    journal.refuse = 1_000
    writer.submit(ticket("first"))
    wait_until(lambda: bool(journal.appended), "the first to be refused")

    with pytest.raises(BrokerUnavailableError) as caught:
        writer.commit(ticket("second"), timeout_s=0.2)

    assert not caught.value.may_have_happened
    assert "nothing was sent" in str(caught.value)


def test_the_fate_of_what_nobody_waits_for_is_told_once(writer: Writer, journal: FaultyJournal) -> None:
    told: list[Ticket] = []
    has_told = threading.Event()

    def hear(one: Ticket) -> None:
        told.append(one)
        has_told.set()

    one = Ticket([command.tick()], on_fate=hear)
    writer.submit(one)

    assert has_told.wait(60)
    writer.close()
    assert told == [one]
    assert one.position == 0


def test_a_failure_that_nobody_foresaw_does_not_end_the_writers_thread(
    writer: Writer, journal: FaultyJournal, caplog: pytest.LogCaptureFixture
) -> None:
    has_told = threading.Event()
    writer.follow()  # As a server's: what is in doubt is tried again by the thread.
    journal.breaks = 2

    writer.submit(Ticket([command.tick()], on_fate=lambda _: has_told.set()))

    assert has_told.wait(60)
    assert len(set(journal.appended)) == 1
    assert [frame.sequence for frame in frames(journal)] == [1]
    assert "broken by the test" in caplog.text


def test_a_writer_that_was_silent_for_long_takes_another_name(
    writer: Writer, journal: FaultyJournal, clock: VirtualClock
) -> None:
    writer.commit(ticket("a"), timeout_s=60)
    clock.advance_s(SILENCE_S_MAX + 1)
    writer.commit(ticket("b"), timeout_s=60)

    first, second = frames(journal)
    assert first.writer_id != second.writer_id
    assert second.sequence == 1


@pytest.mark.parametrize(
    ("pauses_s", "follows", "is_renewed"),
    [
        ([BLIND_NAME_S_MIN + 1], False, True),
        ([BLIND_NAME_S_MIN + 1], True, False),
        ([BLIND_NAME_S_MIN - 1], False, False),
        ([BLIND_SILENCE_S_MAX / 2] * 20, False, False),
        ([BLIND_SILENCE_S_MAX / 2] * 121, False, True),
    ],
)
def test_a_writer_that_follows_nothing_takes_another_name_often(
    pauses_s: list[float], follows: bool, is_renewed: bool, writer: Writer, journal: FaultyJournal, clock: VirtualClock
) -> None:
    if follows:
        writer.follow()
    writer.commit(ticket("first"), timeout_s=60)
    for pause_s in pauses_s:
        clock.advance_s(pause_s)
        writer.commit(ticket("next"), timeout_s=60)

    names = [frame.writer_id for frame in frames(journal)]
    assert (names[0] != names[-1]) is is_renewed


def test_a_writer_that_follows_nothing_takes_another_name_behind_an_append_that_failed(
    writer: Writer, journal: FaultyJournal
) -> None:
    writer.commit(ticket("a"), timeout_s=60)
    journal.refuse = 1
    writer.commit(ticket("b"), timeout_s=60)
    writer.commit(ticket("c"), timeout_s=60)

    first, second, third = frames(journal)
    assert first.writer_id == second.writer_id != third.writer_id


def test_an_old_frame_is_never_sent_again(writer: Writer, journal: FaultyJournal, clock: VirtualClock) -> None:
    writer.follow()
    journal.refuse = 1_000_000
    old, new = ticket("old"), ticket("new")
    writer.submit(old)
    wait_until(lambda: bool(journal.appended), "the old frame to be refused")

    clock.advance_s(FRAME_AGE_S_MAX + 1)
    writer.submit(new)
    wait_until(lambda: journal.appended[-1] != journal.appended[0], "the old frame to be given up")
    journal.refuse = 0
    writer.wait(new, timeout_s=60)

    assert isinstance(old.error, BrokerUnavailableError)
    assert [frame.commands for frame in frames(journal)] == [[[command.RUN, ["new"]]]]


def test_what_cannot_be_encoded_fails_alone(writer: Writer, journal: FaultyJournal) -> None:
    with pytest.raises(InvalidArgumentError):
        writer.commit(ticket("\ud800"), timeout_s=60)

    writer.commit(ticket("good"), timeout_s=60)

    assert [frame.sequence for frame in frames(journal)] == [1]


def test_many_callers_at_once_lose_nothing(writer: Writer, journal: FaultyJournal) -> None:
    def work(name: str) -> None:
        for number in range(25):
            writer.commit(ticket(f"{name}{number}"), timeout_s=30)

    callers = [threading.Thread(target=work, args=(f"{number}:",)) for number in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)

    written = [one[1][0] for frame in frames(journal) for one in frame.commands if isinstance(one[1], list)]
    assert sorted(written) == sorted(f"{name}:{number}" for name in range(16) for number in range(25))
    for name in range(16):
        own = [one for one in written if one.startswith(f"{name}:")]
        assert own == [f"{name}:{number}" for number in range(25)]


def test_closing_answers_everybody(journal: FaultyJournal, clock: VirtualClock) -> None:
    writer = Writer(journal, clock, name="queue.test")
    writer.follow()
    journal.refuse = 1_000
    one = ticket()
    writer.submit(one)

    writer.close(timeout_s=0.1)

    assert isinstance(one.error, BrokerUnavailableError)
    with pytest.raises(BrokerUnavailableError, match="closed"):
        writer.commit(ticket(), timeout_s=1)


def test_who_brings_more_than_fits_waits_for_room(writer: Writer, journal: FaultyJournal) -> None:
    tickets = [Ticket([command.run([str(number)])], size_bytes=PENDING_BYTES_MAX // 2 + 1) for number in range(4)]

    for one in tickets:
        writer.enqueue(one, timeout_s=60)
    writer.wait(tickets[-1], timeout_s=60)

    assert [frame.commands[0][1] for frame in frames(journal)] == [["0"], ["1"], ["2"], ["3"]]


def test_a_journal_that_does_not_keep_up_is_told(writer: Writer, journal: FaultyJournal) -> None:
    journal.refuse = 1_000
    writer.enqueue(Ticket([command.tick()], size_bytes=PENDING_BYTES_MAX), timeout_s=60)

    # Until the first has been refused, the thread may come to fetch it.
    wait_until(lambda: [bool(journal.appended), room_is_left(writer)] == [True, False], "the outbox to be full")

    with pytest.raises(BrokerUnavailableError, match="nothing was sent"):
        writer.enqueue(Ticket([command.tick()], size_bytes=PENDING_BYTES_MAX), timeout_s=0.1)


def room_is_left(writer: Writer) -> bool:
    """Fill the outbox once more; False when it is full."""
    try:
        writer.enqueue(Ticket([command.tick()], size_bytes=PENDING_BYTES_MAX), timeout_s=0.05)
    except BrokerUnavailableError:
        return False
    return True


def test_a_log_that_went_back_is_told_and_written_to_under_another_name(writer: Writer, journal: FaultyJournal) -> None:
    """A machine refuses the fourth frame of a writer that it does not know: whoever does not fold would never hear of it."""
    for name in ("a", "b", "c"):
        writer.commit(ticket(name), timeout_s=60)
    journal.switch_to(MemoryJournalStore(uuid.uuid4().hex).open("queue.test"))

    with pytest.raises(BrokerUnavailableError, match="was made anew") as caught:
        writer.commit(ticket("d"), timeout_s=60)
    assert not caught.value.may_have_happened
    writer.commit(ticket("d"), timeout_s=60)

    refused, taken = frames(journal)
    assert (refused.sequence, taken.sequence) == (4, 1)
    assert refused.writer_id != taken.writer_id


def test_the_thread_of_a_writer_ends_when_it_has_nothing_to_do_and_another_one_goes_on(
    writer: Writer, journal: FaultyJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_IDLE_S", 0.01)
    for name in ("a", "b", "c"):
        writer.submit(ticket(name))
        wait_until(
            lambda: not [one for one in threading.enumerate() if one.name == "asynq-writer-queue.test"],
            "the thread to end",
        )

    assert [frame.commands for frame in frames(journal)] == [[[command.RUN, [name]]] for name in ("a", "b", "c")]
