"""How do the same steps run on Go, on our Redis broker and in the machine?

Contract: a `World` lives for one sequence, on two queues that nobody else uses. After each step all answers are equal and so are the two
databases; where the machine takes part its states, messages, results, counters and locks are equal too. What differs on purpose is named in
differences.py. A divergence tells the whole story up to it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import redis

from asynq_compat.inspector import Inspector
from asynq_compat.machine.applied import SetView
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.consuming import Intake, Lease, QueueOrder
from asynq_compat.ports.maintaining import AggregationSet
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire import TaskMessage
from tests.differential import snapshot
from tests.differential.go_side import GoSide
from tests.differential.machine_side import MachineSide, Place
from tests.differential.machine_view import machine_differences
from tests.differential.steps import NOTHING, Step

CAPACITY = 3
# Settled leases are kept for a while: settling one again must change nothing.
_STALE_MAX = 4
# What Redis and this process make of one instant.
_ROUNDING_MS = 50


class Divergence(AssertionError):
    """Two of the three do not agree."""


@dataclass(slots=True, eq=False)
class Held:
    """A task that was taken: our lease, Go's message, the machine's place."""

    queue: str
    lease: Lease
    message: TaskMessage
    place: Place | None
    is_settled: bool = False


@dataclass(slots=True)
class Ground:
    """What all worlds of a test stand on."""

    go: GoSide
    ours: Broker
    clock: VirtualClock
    ours_db: redis.Redis
    go_db: redis.Redis
    inspector: Inspector
    coverage: Counter[str] = field(default_factory=Counter)
    world_count: int = 0


class World:
    """Two queues on Go's database, on ours and, if asked for, in two machines."""

    def __init__(self, ground: Ground, *, with_machine: bool) -> None:
        ground.world_count += 1
        self.ground = ground
        self.go, self.ours, self.clock = ground.go, ground.ours, ground.clock
        self.queues = [f"q{ground.world_count}-a", f"q{ground.world_count}-b"]
        self.locks = snapshot.UniqueLocks(ground.ours_db, ground.go_db)
        self.held: list[Held] = []
        self.sets: list[AggregationSet] = []
        self.sets_of_machines: dict[str, SetView] = {}
        self.story: list[str] = []
        for database in (ground.ours_db, ground.go_db):
            database.flushdb()
        self.go.set_now(self.clock.now_ns())
        self.machines: Mapping[str, MachineSide] = (
            {queue: MachineSide(queue, self.clock.now_ms()) for queue in self.queues} if with_machine else {}
        )
        self.intakes: dict[str, Intake] = {
            queue: self.ours.consuming.open_intake(QueueOrder(weights={queue: 1}), CAPACITY, "differential")
            for queue in self.queues
        }
        self.now: snapshot.Snapshot = {}
        self._compared_at_s = time.monotonic()
        self._slowest_ms = 0

    def close(self) -> None:
        """Let go of the intakes."""
        for intake in self.intakes.values():
            intake.close()

    def tell(self, text: str) -> None:
        """Add to the story."""
        self.story.append(text)

    def count(self, transition: str, outcome: object = "") -> None:
        """Count one execution of a transition, and with what it ended."""
        self.ground.coverage[transition] += 1
        if outcome != "":
            self.ground.coverage[f"{transition}: {outcome}"] += 1

    def same(self, what: str, **answers: object) -> None:
        """Fail unless all answers are equal."""
        values = list(answers.values())
        if any(value != values[0] for value in values[1:]):
            self.fail(f"{what}: " + ", ".join(f"{name} {value!r}" for name, value in answers.items()))

    def fail(self, text: str) -> None:
        """Fail with the whole story."""
        raise Divergence("\n".join([*self.story, f"=> {text}"]))

    def compare(self) -> None:
        """Fail unless the two databases, and the machines where they take part, are equal."""
        ours, gos = snapshot.take(self.ground.ours_db), snapshot.take(self.ground.go_db)
        lines = snapshot.differences(ours, gos, self._apart_ms())
        if lines:
            self.fail("the databases differ\n" + "\n".join(lines))
        self.locks.adopt(ours, self.clock.now_ms())
        self.now = ours
        for queue, machine in self.machines.items():
            lines = machine_differences(queue, ours, machine, self.locks.ends_at_ms, self.clock.now_s())
            if lines:
                self.fail("the machine differs\n" + "\n".join(lines))

    def _apart_ms(self) -> int:
        """Return how long one step has taken at most, real time: no two writes of one step lie further apart."""
        before_s, self._compared_at_s = self._compared_at_s, time.monotonic()
        self._slowest_ms = max(self._slowest_ms, round((self._compared_at_s - before_s) * 1000))
        return self._slowest_ms + _ROUNDING_MS

    def run(self, steps: list[Step], carry_out: Callable[[World, Step, Random], None]) -> None:
        """Carry out the steps, comparing after each."""
        for step in steps:
            if step.name == NOTHING:
                continue
            self.tell(f"{step.name} ({step.seed})")
            carry_out(self, step, Random(step.seed))
            self.compare()

    # What the steps need to know.

    def live(self, queue: str) -> list[Held]:
        """Return what is held of a queue and not settled, oldest first."""
        return [held for held in self.held if held.queue == queue and not held.is_settled]

    def settled(self, held: Held) -> None:
        """Note that a lease was settled; the oldest stale ones are forgotten."""
        held.is_settled = True
        stale = [one for one in self.held if one.is_settled]
        for one in stale[:-_STALE_MAX]:
            self.held.remove(one)

    def known(self, queue: str) -> list[str]:
        """Return the ids of the tasks of a queue that are stored, in whatever state."""
        prefix = f"asynq:{{{queue}}}:t:"
        return sorted(key.removeprefix(prefix) for key in self.now if key.startswith(prefix))

    def instants_ms(self) -> list[int]:
        """Return the instants to come at which something is due or ends, next first, Unix ms."""
        found = set(self.locks.ends_at_ms.values())
        for key, value in self.now.items():
            if key.endswith(("}:scheduled", "}:retry", "}:completed", "}:aggregation_sets")):
                assert isinstance(value.items, list)
                found.update(int(score) * 1000 for score in value.items[1::2])
        return sorted(at_ms for at_ms in found if at_ms > self.clock.now_ms())

    def is_active(self, queue: str, task_id: str) -> bool:
        """Return whether the task is being worked on, by whomever."""
        items = self.now[key].items if (key := f"asynq:{{{queue}}}:active") in self.now else []
        return task_id.encode() in items
