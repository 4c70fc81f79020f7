"""How many more tasks of each queue may a server be given, and which of those that it has does it start next?

Contract: pure but for the tasks that it has started (`next_turns`), which keep small shares fair over time. `share` changes nothing: it is
asked more often than credit moves.
Not obvious: while queues have tasks waiting, credit goes to those in the server's order; when all are empty it is parked over all of
them, one for each queue at least, so that whichever fills first is served at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heapreplace

from asynq_compat.machine.session import CREDIT_MAX
from asynq_compat.ports.consuming import QueueOrder

# So many tasks of all queues together are started while one that should have had its turn is waited for: 2 % of 10 000.
_LEAD = 200


class CreditSharing:
    """Shares a server's free slots among its queues."""

    def __init__(self, order: QueueOrder) -> None:
        self._is_strict = order.strict
        self._names = sorted(order.weights, key=lambda name: -order.weights[name])
        self._weights = dict(order.weights)
        # Tasks started so far, each as long as its queue's weight is small: whose sum is least, is next.
        self._passes = dict.fromkeys(self._names, 0)
        whole = math.lcm(*self._weights.values())
        self._strides = {name: whole // weight for name, weight in self._weights.items()}
        self._lead = _LEAD * whole // sum(self._weights.values())

    @property
    def names(self) -> Sequence[str]:
        """The queues, highest priority first."""
        return self._names

    def share(self, budget: int, backlogs: dict[str, int]) -> dict[str, int]:
        """Return the credit each queue should have, `budget` in sum (one more a queue while it is parked), up to CREDIT_MAX each.

        Args:
            budget: Tasks that could be worked on besides those given already.
            backlogs: Pending tasks by queue; 0 when it is empty or paused.
        """
        budget = min(budget, CREDIT_MAX - 1)  # A queue of several may be given one more.
        if len(self._names) == 1:
            return {self._names[0]: max(budget, 0)}
        shares = dict.fromkeys(self._names, 0)
        if budget <= 0:
            return shares
        left = (
            self._serve_strictly(budget, backlogs, shares)
            if self._is_strict
            else self._serve(budget, backlogs, shares, self._caught_up(backlogs))
        )
        if left:
            self._park(left, shares)
        return shares

    def next_turns(self, count: int, ready: dict[str, int], awaited: Collection[str] = ()) -> dict[str, int]:
        """Return how many of the tasks at hand are started next, `count` in sum if there are as many, and note that they are.

        Args:
            count: Free slots.
            ready: Tasks at hand by queue, highest priority first.
            awaited: Queues of which more tasks are on their way: when one has none at hand, the others go at most `_LEAD` tasks ahead.
        """
        turns = dict.fromkeys(ready, 0)
        if self._is_strict or (len(ready) == 1 and not awaited):
            self._serve_strictly(count, ready, turns)
        else:
            self._serve_by_turns(count, ready, turns, awaited)
        for name, started in turns.items():
            self._passes[name] += started * self._strides[name]
        return turns

    def _serve_strictly(self, left: int, backlogs: dict[str, int], shares: dict[str, int]) -> int:
        for name, backlog in backlogs.items():
            part = min(left, backlog)
            shares[name] += part
            left -= part
        return left

    def _serve_by_turns(
        self, count: int, ready: dict[str, int], turns: dict[str, int], awaited: Collection[str]
    ) -> None:
        """One at a time, so that a queue whose tasks came late is made up for."""
        last = min((self._passes[name] + self._lead for name in awaited if name not in ready), default=math.inf)
        heap = [(self._passes[name], name) for name in ready]
        heapify(heap)
        for _ in range(min(count, sum(ready.values()))):
            pass_, name = heap[0]
            if pass_ > last:
                break
            turns[name] += 1
            if turns[name] < ready[name]:
                heapreplace(heap, (pass_ + self._strides[name], name))
            else:
                heappop(heap)
                if name in awaited:
                    last = min(last, pass_ + self._strides[name] + self._lead)

    def _serve(self, left: int, backlogs: dict[str, int], shares: dict[str, int], passes: dict[str, int]) -> int:
        """In proportion to the weights; what a queue cannot use goes to the others."""
        while left:
            open_names = [name for name, backlog in backlogs.items() if backlog > shares[name]]
            if not open_names:
                break
            total = sum(self._weights[name] for name in open_names)
            given = 0
            for name in open_names:
                part = min(left * self._weights[name] // total, backlogs[name] - shares[name])
                shares[name] += part
                given += part
            if not given:  # Less than a share each: one at a time, whose turn it is.
                name = min(open_names, key=passes.__getitem__)
                passes[name] += self._strides[name]
                shares[name] += 1
                given = 1
            left -= given
        return left

    def _caught_up(self, backlogs: dict[str, int]) -> dict[str, int]:
        """Return a copy of the passes. A queue that was empty has saved up nothing: it stands where the others are."""
        waiting = [pass_ for name, pass_ in self._passes.items() if backlogs[name]]
        if waiting:
            first = min(waiting)
            for name, pass_ in self._passes.items():
                if not backlogs[name]:
                    self._passes[name] = max(pass_, first)
        return dict(self._passes)

    def _park(self, left: int, shares: dict[str, int]) -> None:
        total = sum(self._weights.values())
        for name in self._names:
            shares[name] += max(1, left * self._weights[name] // total)
