"""Who holds a token, who makes a firing, what did schedulers tell, and is that what the control journal comes to?

Contract: dull books beside those of the control observer, kept by what docs/journal.md says of each command.
Not obvious: a claim of long ago may be forgotten or not, also when the clock went back since; nothing is said of those.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asynq_compat.machine.control import ControlMachine
from asynq_compat.wire import command as c
from tests.simulator.promises import promise

# Half an hour behind the clock nobody may claim.
_CLAIMED_WITHIN_MS = 30 * 60_000

# Scope and task id; a periodic task and its instant.
Held = tuple[str, str]
Instant = tuple[str, int]


@dataclass(slots=True)
class ClaimBook:
    """Who makes a firing, until when nobody else may, and whether it is made."""

    holder: str
    until_ms: int
    is_made: bool = False


@dataclass
class ControlBooks:
    """What was told, and who was given what.

    Attributes:
        tokens: Deadline and position of each token that is held.
        given, refused: Who was given a token at some time, and who was not.
    """

    tokens: dict[Held, tuple[int, int]] = field(default_factory=dict)
    given: set[Held] = field(default_factory=set)
    refused: set[Held] = field(default_factory=set)
    claims: dict[Instant, ClaimBook] = field(default_factory=dict)
    past: set[Instant] = field(default_factory=set)
    schedulers: dict[str, tuple[list[object], int]] = field(default_factory=dict)
    histories: dict[str, list[object]] = field(default_factory=dict)

    def pass_time(self, clock_ms: int) -> None:
        """Let what is over at `clock_ms` be over."""
        clock_s = clock_ms // 1000
        self.tokens = {held: token for held, token in self.tokens.items() if clock_s - token[0] < 1}
        self.schedulers = {name: told for name, told in self.schedulers.items() if told[1] > clock_ms}
        self.past |= {key for key in self.claims if clock_ms - key[1] * 1000 >= _CLAIMED_WITHIN_MS}

    def see(self, clock_ms: int, position: int, command: c.Command) -> None:
        """Note one command of an entry."""
        match command:
            case [c.TAKE_TOKEN, str() as scope, str() as task_id, int() as max_tokens, int() as deadline_s]:
                self._see_take(clock_ms // 1000, (scope, task_id), max_tokens, (deadline_s, position))
            case [c.RETURN_TOKEN, str() as scope, str() as task_id]:
                self.tokens.pop((scope, task_id), None)
            case [c.CLAIM, str() as entry, int() as instant_s, str() as holder, int() as term_ms]:
                self._see_claim(clock_ms, (entry, instant_s), ClaimBook(holder, clock_ms + term_ms))
            case [c.FIRED, str() as entry, int() as instant_s] if (entry, instant_s) in self.claims:
                self.claims[entry, instant_s].is_made = True
            case [c.SCHEDULER, str() as name, list() as entries, int() as ttl_s]:
                self.schedulers[name] = (entries, clock_ms + 1_000 * ttl_s)
            case [c.SCHEDULER_GONE, str() as name]:
                self.schedulers.pop(name, None)
            case [c.ENQUEUED, str() as entry, event]:
                self.histories.setdefault(entry, []).append(event)
            case [c.HISTORY_GONE, str() as entry]:
                self.histories.pop(entry, None)

    def _see_take(self, clock_s: int, held: Held, max_tokens: int, token: tuple[int, int]) -> None:
        count = sum(scope == held[0] for scope, _ in self.tokens)
        promise(count <= max_tokens, f"{count} tokens of {held[0]} are held, there are {max_tokens}")
        if count < max_tokens and clock_s - token[0] < 1:
            self.tokens[held] = token
            self.given.add(held)
        else:
            self.refused.add(held)

    def _see_claim(self, clock_ms: int, key: Instant, claim: ClaimBook) -> None:
        before = self.claims.get(key)
        if clock_ms - key[1] * 1000 >= _CLAIMED_WITHIN_MS:
            return
        if before is None or (not before.is_made and (before.holder == claim.holder or before.until_ms <= clock_ms)):
            self.claims[key] = claim

    def compare(self, machine: ControlMachine) -> None:
        """Check what the machine knows against these books."""
        held = {(scope, task_id): (one.deadline_s, one.position) for scope, task_id, one in machine.state.tokens.rows()}
        promise(held == self.tokens, f"tokens {held} are held, the books say {self.tokens}")
        for key in self.claims.keys() - self.past:
            found, claim = machine.claim(*key), self.claims[key]
            is_same = found is not None and (found.holder, found.until_ms, found.is_made) == (
                claim.holder,
                claim.until_ms,
                claim.is_made,
            )
            promise(is_same, f"firing {key}: {found} is known, the books say {claim}")
        told = {one.id: (one.entries, one.expires_ms) for one in machine.schedulers(machine.clock_ms)}
        promise(told == self.schedulers, f"schedulers {sorted(told)} are known, not {sorted(self.schedulers)}")
        events = {entry: machine.enqueue_events(entry) for entry in machine.state.scheduling.histories}
        promise(events == self.histories, "what periodic tasks enqueued is not what was told")
