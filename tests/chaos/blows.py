"""What can befall a queue and its processes?

Contract: each blow has a name and is over when `deal` returns: what was cut is healed, who was killed is started again. What it changed in
the journal by itself is counted or noted in the hand's own ledger.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.wire import command
from asynq_compat.wire.frame import encode_frame
from tests.chaos.fleet import Fleet
from tests.chaos.ground import FileGround, Ground, KafkaGround
from tests.chaos.hand import BaseHand
from tests.chaos.work import QUEUE
from tests.interop.keeper_story import keep, store_of
from tests.services.waiting import wait_until

AWAY_S = 40.0
_SHORT_MAX_S = 3.0
_ENDED_WITHIN_S = 180.0
_FRAME = encode_frame(bytes(16), 1, [command.tick()])
# None of them is a frame, and none a task.
POISONS = (b"\x94\x01 no frame", b"\xff" * 100, b"", _FRAME[:-1], _FRAME.replace(b"\x94\x01", b"\x94\x63", 1))


class Hand(BaseHand):
    """Deals blows to one run on a journal.

    Args:
        lasting: Also those that take longer than half a minute.

    Attributes:
        poison_count: Entries that nobody can read.
    """

    def __init__(
        self, ground: Ground, fleet: Fleet, chance: random.Random, folder: Path, partitions: int, *, lasting: bool
    ) -> None:
        super().__init__(ground.url, fleet, chance, folder, short_max_s=_SHORT_MAX_S)
        self._ground, self._partitions = ground, partitions
        self._store = store_of(ground.url)
        self.poison_count = 0
        self.blows["poison"] = self._poison
        for step in (CHUNK, MARKED, JOURNAL_CUT) + ((READ_BACK, CONFIRMED, STATE_CUT) if lasting else ()):
            self.blows[f"keeper killed behind: {step}"] = partial(self._kill_keeper, step)
        if lasting:
            self.blows["deadly task, at once"] = lambda: self._enqueue("deadly at once", None)
        if isinstance(ground, FileGround):
            self.blows["disk full"] = lambda: self._fill(ground)
        else:
            self.blows["disk full"] = lambda: self._fill_broker(ground)
            self.blows["broker killed"] = lambda: self._kill_broker(ground, self._some_seconds())
            self.blows["network cut"] = lambda: self._suffer(ground.network.cut, ground.network.heal)
            self.blows["answers lost"] = lambda: self._suffer(ground.network.lose_answers, ground.network.heal)
            if lasting:
                self.blows["broker away"] = lambda: self._kill_broker(ground, AWAY_S)

    def _kill_keeper(self, step: str) -> None:
        """Let a keeper die behind a step; it comes to its end if another one was faster, or there is nothing to cut yet."""
        ended = keep(self._ground.url, step)
        self._fleet.counts["keeper killed" if ended else "keeper came to its end"] += 1

    def _poison(self) -> None:
        journal = self._store.open(queue_journal_name(QUEUE, self._chance.randrange(self._partitions)))
        for poison in POISONS:
            journal.append(poison)
            self.poison_count += 1
        journal.close()

    def _kill_broker(self, ground: KafkaGround, away_s: float) -> None:
        with self._fleet.outage():
            ground.broker.kill()
            self._pause.wait(away_s)
            ground.start()

    def _fill(self, ground: FileGround) -> None:
        self._suffer(lambda: ground.disk.fill(self._fleet.pids), ground.disk.free)

    def _fill_broker(self, ground: KafkaGround) -> None:
        """A broker that cannot write ends by itself; somebody makes room and starts it again."""
        with self._fleet.outage():
            ground.disk.fill([ground.broker.pid])
            wait_until(ground.broker.has_ended, "the broker has ended, its disk being full", _ENDED_WITHIN_S)
            ground.disk.free()
            ground.broker.kill()
            ground.start()

    def close(self) -> None:
        """Close what was opened."""
        super().close()
        self._store.close()
