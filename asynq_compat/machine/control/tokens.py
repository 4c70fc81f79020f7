"""Who holds a token of which semaphore, and until when?

Contract: pure. A token is held until it is given back, or until a second behind its deadline, whichever comes first.
Not obvious: a holder that asks again needs a free place like anybody else, and then only gets the new deadline (as in Go). Which entry
gave a token stands beside it: that is how who asked learns whether it was given one, since the outcome of the command says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asynq_compat.machine.step import is_int
from asynq_compat.rules.limits import TOKEN_COUNT_MAX
from asynq_compat.wire import command as c
from asynq_compat.wire.hot_record import hot_record

# Asynq's: a token counts for so long behind its deadline.
_GRACE_S = 1


@hot_record
class Token:
    """A token that is held.

    Attributes:
        deadline_s: Until when, Unix seconds.
        position: Of the entry that gave it.
    """

    deadline_s: int
    position: int


@dataclass(slots=True, eq=False)
class Tokens:
    """The tokens that are held, by scope and task id.

    Attributes:
        now_s: Unix seconds of the last look for what is over; saves a look, and says nothing that the clock does not.
    """

    held: dict[str, dict[str, Token]] = field(default_factory=dict)
    now_s: int = 0

    def pass_time(self, now_s: int) -> None:
        """Forget the tokens whose time is over at `now_s`, Unix seconds."""
        if now_s == self.now_s:
            return
        self.now_s = now_s
        over = [(scope, task_id) for scope, task_id, token in self.rows() if self._is_over(token.deadline_s)]
        for scope, task_id in over:
            self._drop(scope, task_id)

    def take(self, command: c.Command, position: int) -> bool:
        """Carry out a TAKE_TOKEN that stands at `position`; return whether it is well-formed."""
        if len(command) != 5:
            return False
        _code, scope, task_id, max_tokens, deadline_s = command
        if type(scope) is not str or type(task_id) is not str or not scope or not task_id:
            return False
        if not (is_int(max_tokens) and is_int(deadline_s)) or not 1 <= max_tokens <= TOKEN_COUNT_MAX:
            return False
        if len(self.held.get(scope, ())) < max_tokens and not self._is_over(deadline_s):
            self.put(scope, task_id, Token(deadline_s, position))
        return True

    def put(self, scope: str, task_id: str, token: Token) -> None:
        """Let a task hold a token, in place of the one that it may hold already."""
        self.held.setdefault(scope, {})[task_id] = token

    def give_back(self, command: c.Command) -> bool:
        """Carry out a RETURN_TOKEN; return whether it is well-formed."""
        if len(command) != 3:
            return False
        _code, scope, task_id = command
        if type(scope) is not str or type(task_id) is not str:
            return False
        self._drop(scope, task_id)
        return True

    def of(self, scope: str, task_id: str) -> Token | None:
        """Return the token that a task holds."""
        return self.held.get(scope, {}).get(task_id)

    def rows(self) -> Iterator[tuple[str, str, Token]]:
        """Give scope, task id and token of all that are held, by scope and task id."""
        for scope, held in sorted(self.held.items()):
            for task_id, token in sorted(held.items()):
                yield scope, task_id, token

    def _is_over(self, deadline_s: int) -> bool:
        return deadline_s <= self.now_s - _GRACE_S

    def _drop(self, scope: str, task_id: str) -> None:
        held = self.held.get(scope)
        if held is not None and held.pop(task_id, None) is not None and not held:
            del self.held[scope]
