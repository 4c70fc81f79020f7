"""What do schedulers tell each other and everybody?

Contract: pure, total, deterministic; a part of the control journal's state. Each scheduler's periodic tasks, for a while; what each of them
enqueued, newest last; and who has taken it upon itself to make a firing of an elected scheduler, and whether it is made.
Not obvious: a claim names an instant and holds for a term: whoever comes later is refused until then, or for good once the firing is made.
An instant further back than `CLAIM_KEPT_MS` is refused whoever asks, so that what is known of it may be forgotten. A release that does
not know these commands rejects them; so all say that they do (`take` only tells whether a command was well formed).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from asynq_compat.machine.step import is_int
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import ITEM_COUNT_MAX
from asynq_compat.wire.hot_record import hot_record

TTL_S_MAX: Final = 86_400
# Asynq's: so many events of one entry.
HISTORY_COUNT_MAX: Final = 1_000
# A history that nothing was added to for so long is forgotten: a scheduler that crashed cleared none.
HISTORY_KEPT_MS: Final = 90 * 86_400_000
# Below the hour after which a machine forgets the writer of a firing (docs/journal.md, "Firings").
CLAIM_KEPT_MS: Final = 30 * 60_000
TERM_MS_MAX: Final = 600_000

# What `Scheduling.take` understands.
SCHEDULING: Final = (c.SCHEDULER, c.SCHEDULER_GONE, c.ENQUEUED, c.HISTORY_GONE, c.CLAIM, c.FIRED)


@hot_record
class PublishedScheduler:
    """What a scheduler told: its id, its encoded SchedulerEntries, and until when that holds (Unix ms)."""

    id: str
    entries: list[bytes]
    expires_ms: int


@hot_record
class Claim:
    """Who makes a firing, until when nobody else may (Unix ms), and whether it is made."""

    holder: str
    until_ms: int
    is_made: bool


@dataclass(slots=True)
class History:
    """Encoded SchedulerEnqueueEvents of one entry, the newest last, and when it was last added to (Unix ms)."""

    events: list[bytes]
    touched_ms: int


@dataclass(slots=True, eq=False)
class Scheduling:
    """All of it. Histories stand in the order in which they were last added to, claims in that of their first claim, those far ahead anywhere."""

    schedulers: dict[str, PublishedScheduler] = field(default_factory=dict)
    histories: OrderedDict[str, History] = field(default_factory=OrderedDict)
    claims: OrderedDict[tuple[str, int], Claim] = field(default_factory=OrderedDict)

    def forget(self, now_ms: int) -> None:
        """Forget what has run out at `now_ms`."""
        for key in [key for key, told in self.schedulers.items() if told.expires_ms <= now_ms]:
            del self.schedulers[key]
        while self.histories:
            entry_id, history = next(iter(self.histories.items()))
            if history.touched_ms + HISTORY_KEPT_MS > now_ms:
                break
            del self.histories[entry_id]
        while self.claims:
            key_of_claim = next(iter(self.claims))
            if not _is_past(key_of_claim[1], now_ms):
                # Of a clock far ahead: the others would wait behind it.
                if key_of_claim[1] * 1_000 > now_ms + CLAIM_KEPT_MS:
                    self.claims.move_to_end(key_of_claim)
                break
            del self.claims[key_of_claim]

    def take(self, command: c.Command, now_ms: int) -> bool:
        """Do what a command says at `now_ms`; return whether it was well formed."""
        match command:
            case [c.SCHEDULER, str() as scheduler_id, list() as entries, ttl_s] if scheduler_id:
                return self._scheduler(scheduler_id, entries, ttl_s, now_ms)
            case [c.SCHEDULER_GONE, str() as scheduler_id]:
                self.schedulers.pop(scheduler_id, None)
            case [c.ENQUEUED, str() as entry_id, bytes() as event] if entry_id:
                self._enqueued(entry_id, event, now_ms)
            case [c.HISTORY_GONE, str() as entry_id]:
                self.histories.pop(entry_id, None)
            case [c.CLAIM, str() as entry, instant_s, str() as holder, term_ms] if entry and is_int(instant_s):
                return self._claim((entry, instant_s), holder, term_ms, now_ms)
            case [c.FIRED, str() as entry, instant_s] if is_int(instant_s):
                claim = self.claims.get((entry, instant_s))
                if claim is not None:
                    self.claims[entry, instant_s] = Claim(claim.holder, claim.until_ms, True)
            case _:
                return False
        return True

    def _scheduler(self, scheduler_id: str, entries: list[object], ttl_s: object, now_ms: int) -> bool:
        told = [entry for entry in entries if type(entry) is bytes]
        if len(told) != len(entries) or len(told) > ITEM_COUNT_MAX or not is_int(ttl_s) or not 1 <= ttl_s <= TTL_S_MAX:
            return False
        self.schedulers[scheduler_id] = PublishedScheduler(scheduler_id, told, now_ms + ttl_s * 1_000)
        return True

    def _enqueued(self, entry_id: str, event: bytes, now_ms: int) -> None:
        history = self.histories.pop(entry_id, None) or History([], now_ms)
        history.events.append(event)
        del history.events[:-HISTORY_COUNT_MAX]
        history.touched_ms = now_ms
        self.histories[entry_id] = history

    def _claim(self, key: tuple[str, int], holder: str, term_ms: object, now_ms: int) -> bool:
        if not is_int(term_ms) or not 1 <= term_ms <= TERM_MS_MAX:
            return False
        if _is_past(key[1], now_ms):
            return True
        claim = self.claims.get(key)
        if claim is None or not (claim.is_made or (claim.until_ms > now_ms and claim.holder != holder)):
            self.claims[key] = Claim(holder, now_ms + term_ms, False)
        return True


def _is_past(instant_s: int, now_ms: int) -> bool:
    return instant_s * 1_000 + CLAIM_KEPT_MS <= now_ms
