"""What happens when somebody deletes a queue's topic and makes it anew while the queue is at work?

What stood in it is lost. It is promised that everybody says so, that nobody ends, and that what is acknowledged from then on is done as ever.
"""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

import asynq_compat as asynq
from asynq_compat.journals.journal import queue_journal_name
from tests.chaos.blows import Hand
from tests.chaos.fleet import Fleet, roles
from tests.chaos.ground import KafkaGround
from tests.chaos.histories import Histories
from tests.chaos.ledger import Line, lines
from tests.chaos.recording import Recorder
from tests.chaos.work import QUEUE, SLOTS
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until

_TOPIC = f"chaos.{queue_journal_name(QUEUE)}"
_WITHIN_S = 180.0


class Story:
    """The processes at work on one topic, and what they told."""

    def __init__(self, ground: KafkaGround, folder: Path) -> None:
        self.fleet = Fleet(ground.url, folder)
        self.hand = Hand(ground, self.fleet, random.Random(0), folder, 1, lasting=False)
        self.given: set[str] = set()
        self._ground, self._folder = ground, folder

    def tell(self) -> Histories:
        """Make the topic anew under load, wait until all work again, and end them; return what became of each task since."""
        self.fleet.start_all()
        self._delete_topic()
        recorder = Recorder(self._ground.url, QUEUE, 0)  # Which makes it.
        try:
            wait_until(lambda: all(map(self._says_so, roles("worker"))), "every worker says so", _WITHIN_S)
            wait_until(self._do_all_work, "every worker takes tasks again", _WITHIN_S)
            before = {role: len(self.told(role)) for role in roles("producer")}
            wait_until(
                lambda: all(self.acknowledged(role, since) for role, since in before.items()),
                "every producer is answered again",
                _WITHIN_S,
            )
            self.given.update(*(self.acknowledged(role, since) for role, since in before.items()))
            self.fleet.end_producers()
            with asynq.Inspector(self._ground.url) as inspector:
                wait_until(lambda: _is_done(inspector), "what came since is done", _WITHIN_S)
            self.fleet.look()
            self.fleet.end_workers()
            assert recorder.finish() == []
        finally:
            recorder.close()
        return recorder.histories

    def _delete_topic(self) -> None:
        admin = KafkaAdminClient(bootstrap_servers=[self._ground.broker.bootstrap])
        admin.delete_topics([_TOPIC])
        wait_until(lambda: _TOPIC not in admin.list_topics(), "the topic to be gone", _WITHIN_S)
        admin.close()

    def _says_so(self, role: str) -> bool:
        return "is not the journal it was" in self.fleet.log(role).read_text(errors="replace")

    def _do_all_work(self) -> bool:
        if idlers := self.fleet.idlers(self.given):
            self.given |= self.hand.give_work(len(idlers) * SLOTS * 2)
            threading.Event().wait(0.3)
        return not idlers

    def told(self, role: str) -> list[Line]:
        """Return what a producer has noted so far."""
        return list(lines(self._folder, f"{role}.*.jsonl"))

    def acknowledged(self, role: str, since: int) -> list[str]:
        """Return which tasks were acknowledged to a producer, behind so many lines."""
        return [str(line["id"]) for line in self.told(role)[since:] if line["event"] == "acknowledged"]

    def close(self) -> None:
        """End what runs."""
        self.fleet.close()
        self.hand.close()


@pytest.mark.own_broker
@pytest.mark.timeout(1200)
def test_a_topic_that_was_made_anew_under_load_is_told_and_work_goes_on(
    tmp_path: Path, kafka_cluster: KafkaCluster
) -> None:
    del kafka_cluster  # It says when there is none.
    ground = KafkaGround(tmp_path)
    story = Story(ground, tmp_path)
    try:
        histories = story.tell()
    finally:
        story.close()
        ground.close()

    assert story.fleet.problems == []
    # Frames of writers that the new topic does not know are refused, whole.
    assert [problem for problem in histories.problems if "a frame was refused" not in problem] == []
    assert story.given - histories.lives.keys() == set()
    assert {len(life.ends) for life in histories.lives.values()} == {1}
    for role in roles("producer"):
        errors = {str(line["error"]) for line in story.told(role) if line["event"] == "unanswered"}
        # The last one where all that was on its way was in doubt: then it goes on as a new writer, whom nothing is refused.
        told = ("made anew", "refused what was sent", "may or may not be queued")
        assert any(words in error for error in errors for words in told), errors


def _is_done(inspector: asynq.Inspector) -> bool:
    info = inspector.get_queue_info(QUEUE)
    return info.size == info.completed + info.archived
