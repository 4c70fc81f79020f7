"""Does a client that folds nothing learn what became of its tasks, whoever replies and whatever is lost?"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence

import pytest

from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.keeping.keeper import checkpoint
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.brokers.journal.producing import JournalProducing
from asynq_compat.brokers.journal.reply import OWED_S_MAX, RANK_S, Replier
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, queue_journal_name, state_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.machine.applied import Applied, Reply, Verdict
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.wire import command
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import Frame, decode_frame, encode_frame
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.brokers.journal.workplace import open_intake, request, take, wait_until

NAME = queue_journal_name("default")
ENQUEUED, DUPLICATE, CONFLICT = EnqueueStatus.ENQUEUED, EnqueueStatus.DUPLICATE, EnqueueStatus.ID_CONFLICT
# So long that no reply of a living server is given up on a busy machine.
PATIENT_S = 60.0


@pytest.fixture
def place() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def server(place: str) -> Iterator[Broker]:
    """A process that may serve the queue."""
    opened = open_journal(MemoryJournalStore(place), replica=True)
    yield opened
    opened.close()


@pytest.fixture
def store(place: str) -> FaultyStore:
    return FaultyStore(MemoryJournalStore(place))


@pytest.fixture
def client(store: FaultyStore) -> Iterator[Broker]:
    opened = open_journal(store, reply_s=PATIENT_S)
    yield opened
    opened.close()


def partition_of(broker: Broker) -> Partition:
    assert isinstance(broker.producing, JournalProducing)
    return broker.producing._partitions.queue("default").partitions[0]


def has_folded(broker: Broker) -> bool:
    return partition_of(broker).has_replica


def enqueue(broker: Broker, *requests: EnqueueRequest) -> list[EnqueueOutcome]:
    return list(broker.producing.enqueue(requests))


def frames(store: FaultyStore) -> list[Frame]:
    entries = store.store.open(NAME).read(BEFORE_THE_FIRST, wait_s=0).entries
    return [frame for entry in entries if isinstance(frame := decode_frame(entry.data), Frame)]


def commands(store: FaultyStore, code: int) -> list[Command]:
    return [one for frame in frames(store) for one in frame.commands if one[0] == code]


def test_a_server_replies_and_the_client_folds_nothing(server: Broker, client: Broker, store: FaultyStore) -> None:
    intake = open_intake(server)

    assert enqueue(client, request(unique_key="k")) == [ENQUEUED]
    assert enqueue(client, request(unique_key="k")) == [DUPLICATE]
    assert enqueue(client, request(task_id="a"), request(task_id="b")) == [ENQUEUED, ENQUEUED]
    assert enqueue(client, request(task_id="a")) == [CONFLICT]

    assert not has_folded(client)
    assert len(commands(store, command.ASK)) == 4
    intake.close()


def test_a_plain_task_asks_for_nothing(server: Broker, client: Broker, store: FaultyStore) -> None:
    intake = open_intake(server)

    assert enqueue(client, request()) == [ENQUEUED]

    assert commands(store, command.ASK) == []
    intake.close()


def test_a_mixed_batch_is_one_frame_and_one_reply(server: Broker, client: Broker, store: FaultyStore) -> None:
    intake = open_intake(server)
    batch = [request(), request(unique_key="k"), request(task_id="a"), request(unique_key="k"), request(task_id="a")]

    assert enqueue(client, *batch) == [ENQUEUED, ENQUEUED, ENQUEUED, DUPLICATE, CONFLICT]

    (reply,) = commands(store, command.REPLY)
    assert reply[3] == [0, [0, 0, 0, command.DUPLICATE, command.ID_TAKEN], 0], "genesis, the tasks, the question"
    intake.close()


def test_a_batch_of_many_frames_is_under_way_before_the_first_reply(server: Broker, client: Broker) -> None:
    intake = open_intake(server)
    batch = [request(unique_key=str(number // 2)) for number in range(3_000)]

    assert enqueue(client, *batch) == [ENQUEUED, DUPLICATE] * 1_500

    assert not has_folded(client)
    intake.close()


def test_many_threads_are_told_their_own(server: Broker, client: Broker) -> None:
    intake = open_intake(server)
    told: list[EnqueueOutcome] = []

    def work() -> None:
        for number in range(20):
            told.extend(enqueue(client, request(unique_key=str(number))))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(str(one) for one in told) == sorted([str(ENQUEUED)] * 20 + [str(DUPLICATE)] * 80)
    assert not has_folded(client)
    intake.close()


def test_a_server_without_a_free_slot_replies_all_the_same(server: Broker, client: Broker, place: str) -> None:
    intake = open_intake(server, capacity=1, default=1, other=1)
    enqueue(client, request("other"))
    take(intake, 1)
    assert isinstance(intake, JournalIntake)

    assert enqueue(client, request(unique_key="k")) == [ENQUEUED]

    assert not has_folded(client)
    intake.close()


def test_the_next_replies_for_a_server_that_died(place: str, server: Broker, client: Broker) -> None:
    keeper = open_intake(server)
    second = open_journal(MemoryJournalStore(place))
    intake = open_intake(second)
    assert isinstance(keeper, JournalIntake)
    keeper.abandon()
    server.close()

    assert enqueue(client, request(unique_key="k")) == [ENQUEUED]
    assert enqueue(client, request(unique_key="k")) == [DUPLICATE]

    assert not has_folded(client)
    intake.close()
    second.close()


def test_a_frame_whose_answer_was_lost_is_answered_behind_its_second(
    server: Broker, client: Broker, store: FaultyStore
) -> None:
    intake = open_intake(server)
    enqueue(client, request())
    store.journals[NAME].lose = 1

    assert enqueue(client, request(unique_key="k")) == [ENQUEUED]

    assert [len(frame.commands) for frame in frames(store) if command.ask() in frame.commands] == [2, 2]
    assert not has_folded(client)
    intake.close()


def test_without_a_server_the_client_folds(place: str, store: FaultyStore, caplog: pytest.LogCaptureFixture) -> None:
    client = open_journal(store, reply_s=0.05)
    with caplog.at_level(logging.INFO, logger="asynq_compat.journal"):
        assert enqueue(client, request(unique_key="k"), request(unique_key="k")) == [ENQUEUED, DUPLICATE]

    assert "no server replied for queue default within 0.05 s" in caplog.text
    assert has_folded(client)
    assert enqueue(client, request(unique_key="k")) == [DUPLICATE]
    assert len(commands(store, command.ASK)) == 1, "who follows the journal asks nobody"
    client.close()


def test_who_begins_to_follow_meanwhile_waits_no_longer_for_a_reply(client: Broker) -> None:
    told: list[EnqueueOutcome] = []
    thread = threading.Thread(target=lambda: told.extend(enqueue(client, request(unique_key="k"))))
    partition = partition_of(client)

    thread.start()
    wait_until(lambda: bool(partition.writer.awaited.asking()), "the question to stand in the log")
    assert partition.replica is not None
    thread.join(PATIENT_S / 2)

    assert told == [ENQUEUED]


def test_a_client_that_folds_from_a_checkpoint_behind_its_frame_finds_its_answer(
    server: Broker, client: Broker, store: FaultyStore
) -> None:
    enqueue(server, request(task_id="a"))
    told: list[EnqueueOutcome] = []
    thread = threading.Thread(target=lambda: told.extend(enqueue(client, request(task_id="a"), request(task_id="b"))))
    asking, keeping = partition_of(client), partition_of(server)

    thread.start()
    wait_until(lambda: bool(asking.writer.awaited.asking()), "the question to stand in the log")
    keeping.replica.sync(timeout_s=PATIENT_S)
    assert checkpoint(keeping, store.store.open(state_journal_name(NAME))) is not None
    assert asking.replica is not None
    thread.join(PATIENT_S / 2)

    assert told == [CONFLICT, ENQUEUED]
    assert asking.replica.checkpoint is not None


@pytest.mark.alone
def test_who_is_closed_while_nobody_replies_says_that_it_may_be_stored(client: Broker) -> None:
    failures: list[BrokerUnavailableError] = []
    partition = partition_of(client)

    def ask() -> None:
        with pytest.raises(BrokerUnavailableError) as failed:
            client.producing.enqueue([request(unique_key="k")])
        failures.append(failed.value)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: bool(partition.writer.awaited.asking()), "the question to stand in the log")
    client.close()
    thread.join(PATIENT_S / 2)

    assert [failure.may_have_happened for failure in failures] == [True]


def test_a_client_that_follows_asks_nobody(place: str, store: FaultyStore) -> None:
    client = open_journal(store, replica=True)

    assert enqueue(client, request(unique_key="k")) == [ENQUEUED]

    assert commands(store, command.ASK) == []
    client.close()


def test_a_reply_that_cannot_be_read_is_tried_again(server: Broker, client: Broker, store: FaultyStore) -> None:
    intake = open_intake(server)
    enqueue(client, request())
    store.journals[NAME].is_unreadable = True
    told: list[EnqueueOutcome] = []
    thread = threading.Thread(target=lambda: told.extend(enqueue(client, request(unique_key="k"))))

    thread.start()
    wait_until(lambda: bool(commands(store, command.REPLY)), "the server to reply")
    store.journals[NAME].is_unreadable = False
    thread.join(PATIENT_S)

    assert told == [ENQUEUED]
    assert not has_folded(client)
    intake.close()


def test_a_reply_that_stands_before_the_reader_has_connected_is_found(
    server: Broker, client: Broker, store: FaultyStore
) -> None:
    intake = open_intake(server)
    store.lets_in.clear()
    told: list[EnqueueOutcome] = []
    thread = threading.Thread(target=lambda: told.extend(enqueue(client, request(unique_key="k"))))

    thread.start()
    wait_until(lambda: bool(commands(store, command.REPLY)), "the server to reply")
    store.lets_in.set()
    thread.join(PATIENT_S / 2)

    assert told == [ENQUEUED]
    assert not has_folded(client)
    intake.close()


def test_a_client_that_was_silent_reads_on_where_it_asks(server: Broker, client: Broker, store: FaultyStore) -> None:
    intake = open_intake(server, capacity=1)
    enqueue(client, request(unique_key="k"))
    journal = store.store.open(NAME)
    for number in range(1_500):
        journal.append(encode_frame(b"o" * 16, number + 1, [command.tick()]))
    for _ in range(2):
        assert enqueue(client, request(unique_key="k")) == [DUPLICATE]

    assert not has_folded(client)
    intake.close()


# --- whose turn it is


class _Sessions:
    """One process's place among those that reply."""

    def __init__(self, rank: int | None) -> None:
        self.rank = rank
        self.sent: list[Command] = []
        self.replier = Replier(lambda: self.rank, self.send)

    def send(self, replies: Sequence[Command]) -> None:
        self.sent += replies

    def hear(self, *, asks: int = 0, replies: int = 0, now_s: float = 0.0, verdict: Verdict = Verdict.APPLIED) -> None:
        applied = Applied(0, b"w" * 16, asks, verdict, [], [], [], [])
        if asks:
            applied.answer = [asks]
        if replies:
            applied.replies = [Reply(b"w" * 16, replies, [replies])]
        self.replier.on_applied(applied, now_s)

    def said(self) -> list[object]:
        return [one[2] for one in self.sent]


def test_the_first_replies_at_once_and_once() -> None:
    first = _Sessions(0)

    first.hear(asks=1)
    assert first.replier.next_at_s() == 0.0
    first.replier.run(0.0)
    first.replier.run(0.1)

    assert first.sent == [command.reply(b"w" * 16, 1, [1])]


def test_a_later_one_replies_if_nobody_did() -> None:
    later = _Sessions(2)

    later.hear(asks=1)
    later.hear(asks=2)
    later.replier.run(2 * RANK_S - 0.01)
    assert later.said() == []
    later.hear(replies=1)
    later.replier.run(2 * RANK_S)

    assert later.said() == [2]


@pytest.mark.parametrize(("rank", "wait_s"), [(4, 0.8), (63, 0.8)])
def test_nobody_waits_until_the_client_has_given_up(rank: int, wait_s: float) -> None:
    last = _Sessions(rank)

    last.hear(asks=1, now_s=10.0)

    assert last.replier.next_at_s() == pytest.approx(10.0 + wait_s)


def test_who_is_no_member_replies_to_nobody_and_forgets() -> None:
    stranger = _Sessions(None)

    stranger.hear(asks=1)
    stranger.replier.run(1.0)
    assert stranger.replier.next_at_s() == OWED_S_MAX
    stranger.replier.run(OWED_S_MAX)

    assert stranger.said() == []
    assert stranger.replier.next_at_s() is None


def test_a_frame_that_comes_again_behind_the_reply_is_answered_again() -> None:
    first = _Sessions(0)

    first.hear(asks=1)
    first.replier.run(0.0)
    first.hear(asks=1, verdict=Verdict.DUPLICATE)  # Before the reply: that stands behind both.
    first.replier.run(0.1)
    assert first.said() == [1]
    first.hear(replies=1)
    first.hear(asks=1, verdict=Verdict.DUPLICATE)
    first.replier.run(0.2)

    assert first.said() == [1, 1]
