"""What is a client that folds nothing told when the log has lost its end?"""

from __future__ import annotations

from asynq_compat.brokers.journal.following.followed import Partition
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.brokers.journal.writing.framing import BLIND_NAME_S_MIN
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.machine.machine import Machine
from asynq_compat.wire import command as c
from tests.simulator.client import message
from tests.simulator.inside import WorldClock
from tests.simulator.journals import SimulatedStore
from tests.simulator.world import HEALED, QUEUE, World

PATIENCE_S = 30.0


class Story:
    """One partition of a world in which nothing else happens; each client is a process."""

    def __init__(self) -> None:
        self.world = World(1, faults=HEALED)
        self.world.begin(1)

    def client(self) -> Partition:
        partitions = Partitions(SimulatedStore(self.world), WorldClock(self.world))
        return partitions._partition(QUEUE, 0, 1)

    def enqueue(self, client: Partition, task_id: str) -> str:
        """Return what the caller is told."""
        try:
            client.writer.commit(Ticket([c.enqueue([task_id], [message(task_id)])]), timeout_s=PATIENCE_S)
        except BrokerUnavailableError as error:
            return str(error)
        return "stored"

    def lose(self, count: int) -> None:
        """The log loses its last entries; no connection breaks."""
        self.world.partitions[0].log.go_back(count)

    def tasks(self) -> set[str]:
        """Return what a server would find."""
        machine = Machine(QUEUE)
        enqueued = set()
        for entry in self.world.partitions[0].log.entries:
            machine.apply(*entry)
        for task_id in ("a", "b", "c", "d", "other1", "other2", "other3"):
            if machine.task(task_id) is not None:
                enqueued.add(task_id)
        return enqueued


def test_a_client_whose_position_goes_back_is_told_and_goes_on() -> None:
    story = Story()
    client, other = story.client(), story.client()
    for task_id in ("other1", "other2"):
        assert story.enqueue(other, task_id) == "stored"
    assert story.enqueue(client, "a") == "stored"
    story.lose(3)

    assert "has lost what was written to it before" in story.enqueue(client, "b")

    assert story.enqueue(client, "c") == "stored"
    assert story.tasks() == {"c"}


def test_a_client_that_finds_the_log_longer_than_it_was_is_told_nothing_and_its_frames_are_refused() -> None:
    """The limit that docs/journal.md names, "A client that folds nothing": until it takes another name."""
    story = Story()
    client, other = story.client(), story.client()
    assert story.enqueue(client, "a") == "stored"
    story.lose(1)
    for task_id in ("other1", "other2", "other3"):
        assert story.enqueue(other, task_id) == "stored"

    assert story.enqueue(client, "b") == "stored"
    assert story.enqueue(client, "c") == "stored"

    assert story.tasks() == {"other1", "other2", "other3"}
    story.world.now_ms += round(1_000 * BLIND_NAME_S_MIN) + 1
    assert story.enqueue(client, "d") == "stored"
    assert story.tasks() == {"other1", "other2", "other3", "d"}


def test_what_another_process_writes_stands_whatever_the_log_has_lost() -> None:
    story = Story()
    client = story.client()
    story.enqueue(client, "a")
    story.lose(1)

    assert story.enqueue(story.client(), "b") == "stored"

    assert story.tasks() == {"b"}
