"""Would the simulator notice tokens, firings and words of schedulers that are taken otherwise?

Contract: as `sharing_mutants`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

from asynq_compat.brokers.journal import limiting, scheduling
from asynq_compat.brokers.journal.following import followed
from asynq_compat.machine.control import Claim, ControlMachine
from asynq_compat.machine.control.scheduling import Scheduling
from asynq_compat.machine.control.tokens import Token, Tokens
from asynq_compat.wire import command as c
from tests.simulator.sharing_mutants import control_without

_take, _forget, _claim = Tokens.take, Scheduling.forget, Scheduling._claim


def _one_more(self: Tokens, command: c.Command, position: int) -> bool:
    return _take(self, [*command[:3], int(str(command[3])) + 1, command[4]], position)


def _asked_again_for_nothing(self: Tokens, command: c.Command, position: int) -> bool:
    return True if self.of(str(command[1]), str(command[2])) else _take(self, command, position)


def _over_early(self: Tokens, deadline_s: int) -> bool:
    return deadline_s <= self.now_s


def _over_late(self: Tokens, deadline_s: int) -> bool:
    return deadline_s <= self.now_s - 2


def _everybody_claims(self: Scheduling, key: tuple[str, int], _holder: str, term_ms: int, now_ms: int) -> bool:
    self.claims[key] = Claim(_holder, now_ms + term_ms, False)
    return True


def _claims_for_good(self: Scheduling, key: tuple[str, int], holder: str, term_ms: int, now_ms: int) -> bool:
    return True if key in self.claims else _claim(self, key, holder, term_ms, now_ms)


def _made_is_claimed(self: Scheduling, key: tuple[str, int], holder: str, term_ms: int, now_ms: int) -> bool:
    known = self.claims.get(key)
    if known is not None and known.is_made:
        del self.claims[key]
    return _claim(self, key, holder, term_ms, now_ms)


def _claims_are_forgotten(self: Scheduling, now_ms: int) -> None:
    _forget(self, now_ms)
    for key in [key for key in self.claims if key[1] * 1000 + 30_000 < now_ms]:
        del self.claims[key]


def _schedulers_stay(self: Scheduling, now_ms: int) -> None:
    kept = dict(self.schedulers)
    _forget(self, now_ms)
    self.schedulers = {name: type(told)(told.id, told.entries, now_ms + 1_000) for name, told in kept.items()}


def _only_the_last(self: Scheduling, entry_id: str, event: bytes, now_ms: int) -> None:
    self.histories.pop(entry_id, None)
    _enqueued(self, entry_id, event, now_ms)


_enqueued = Scheduling._enqueued


def _any_token(_control: object, _scope: str, _task_id: str, position: int = -1) -> Token:
    return Token(0, position)


def _checkpoint_without(forget: Callable[[ControlMachine], None]) -> AbstractContextManager[object]:
    return patch.object(followed, "restore_control", control_without(forget))


CONTROL_MUTANTS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "a token more is given": lambda: patch.object(Tokens, "take", _one_more),
    "who asks again keeps the old deadline": lambda: patch.object(Tokens, "take", _asked_again_for_nothing),
    "tokens end at their deadline": lambda: patch.object(Tokens, "_is_over", _over_early),
    "tokens end a second late": lambda: patch.object(Tokens, "_is_over", _over_late),
    "tokens are not given back": lambda: patch.object(Tokens, "give_back", lambda *_: True),
    "who asks is told that it has a token": lambda: patch.object(limiting, "_token", _any_token),
    "everybody makes a firing": lambda: patch.object(Scheduling, "_claim", _everybody_claims),
    "nobody takes a firing on": lambda: patch.object(Scheduling, "_claim", _claims_for_good),
    "what is made is claimed again": lambda: patch.object(Scheduling, "_claim", _made_is_claimed),
    "claims are forgotten at once": lambda: patch.object(Scheduling, "forget", _claims_are_forgotten),
    "firings have a name for each who makes them": lambda: patch.object(
        scheduling, "_name_of", lambda _firing: os.urandom(16)
    ),
    "schedulers stay": lambda: patch.object(Scheduling, "forget", _schedulers_stay),
    "of a history the last event stays": lambda: patch.object(Scheduling, "_enqueued", _only_the_last),
    "a control checkpoint forgets tokens": lambda: _checkpoint_without(
        lambda machine: machine.state.tokens.held.clear()
    ),
    "a control checkpoint forgets claims": lambda: _checkpoint_without(
        lambda machine: machine.state.scheduling.claims.clear()
    ),
}
