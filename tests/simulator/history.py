"""What happens in the history of one seed?

Contract: the same seed gives the same history, in any process. A broken promise is raised with the seed, the command that runs it again and the
last lines of the story.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from random import Random

from asynq_compat.brokers.journal.attending.rendezvous import followed_by
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.simulator import asker as asking
from tests.simulator import sender
from tests.simulator.asker import Asker
from tests.simulator.client import Client
from tests.simulator.electing import check_firings
from tests.simulator.inside import inside
from tests.simulator.keeper import check_that_a_replica_can_begin
from tests.simulator.promises import BrokenPromiseError, promise
from tests.simulator.release import NEWEST, NEWEST_VERSION
from tests.simulator.seated import LEFT
from tests.simulator.server import INSIDES, POINTS, Server
from tests.simulator.world import FAULTS, HEALED, QUEUE, AnyPlace, World
from tests.unit.machine.next_release import BURY

# A lease has 30 s: in some histories it runs out while the trouble lasts.
TROUBLE_MS = (15_000, 30_000, 70_000)
CALM_MS = 3_600_000
LOOK_EVERY_MS = 2_000
STORY_LINES_SHOWN = 30
# Of so many histories: whether somebody replies as long as servers live; whether the next release replaces the present one.
REPLIES_SHARE = 0.15
UPGRADE_SHARE = 0.3
# In how many the queue has several partitions; in how many of those it is waited for until all are where they should be.
DIVIDED_SHARE = 0.12
SHARED_OUT_SHARE = 0.7
# More servers leave there, and in half of them most appends take long: what leaves meets what is on its way.
MORE_LEAVE = 2
MORE_SLOW = 5
# By then every server that crashed or was stopped is back, and has a session.
ALL_LIVE_AFTER_MS = 90_000
STOPPED_MS = 20_000
# An operator tries no longer.
UPGRADED_BY_MS = 120_000

# Where somebody has to die in some history.
KILL_POINTS = (
    *(*POINTS, *INSIDES, LEFT),
    *(f"client {state}" for state in ("idle", sender.SENT, sender.STORED, sender.ANSWERED, sender.FAILED)),
    *(f"asker {state}" for state in (sender.SENT, sender.STORED)),
    *(asking.ASKED, asking.REPLY_READ, asking.FOLDED),
)
# Where a server has to be stopped, and to go on.
HANG_POINTS = POINTS
SHARING = ("divided", "left in order", "last one kept", "shared out")
GROUPS = ("set finished", "set given up", "all of a state")
CONTROL = ("firing made", "token given", "token refused")
# What else has to happen.
MET = (
    *FAULTS,
    *GROUPS,
    *CONTROL,
    "caller told of failure",
    "activated",
    "activation refused",
    "old release stopped",
    *SHARING,
)


@dataclass(slots=True)
class Report:
    """What histories consisted of."""

    history_count: int = 1
    entry_count: int = 0
    task_count: int = 0
    acknowledged_count: int = 0
    checkpoint_count: int = 0
    recovered_count: int = 0
    replied_count: int = 0
    folded_count: int = 0
    digest: bytes = b""
    kills: Counter[str] = field(default_factory=Counter)
    hangs: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    def add(self, other: Report) -> None:
        """Take another report in."""
        self.history_count += other.history_count
        self.entry_count += other.entry_count
        self.task_count += other.task_count
        self.acknowledged_count += other.acknowledged_count
        self.checkpoint_count += other.checkpoint_count
        self.recovered_count += other.recovered_count
        self.replied_count += other.replied_count
        self.folded_count += other.folded_count
        self.kills += other.kills
        self.hangs += other.hangs
        self.met += other.met

    def unhit(self) -> list[str]:
        """Return where nobody died or was stopped, and what never happened."""
        never = [f"died: {point}" for point in KILL_POINTS if not self.kills[point]]
        never += [f"stopped: {point}" for point in HANG_POINTS if not self.hangs[point]]
        return never + [f"met: {what}" for what in MET if not self.met[what]]


@dataclass(slots=True)
class Operator:
    """Lets a paused queue go on (a late frame of a client may have paused it), and activates what a new release knows."""

    world: World
    sequence: int = 0
    is_late: bool = False

    def look(self) -> None:
        """Unpause what is paused."""
        for place in self.world.partitions:
            if place.observer.machine.is_paused():
                self.say(place, c.unpause())

    def say(self, place: AnyPlace, *commands: c.Command) -> None:
        """Send commands, each time as another process."""
        self.sequence += 1
        frame = encode_frame(f"operator{self.sequence}".encode().ljust(16, b"."), 1, commands)
        self.world.append(place, frame, lambda _: None)

    def announce(self) -> None:
        """Say how many partitions the queue has; come back, for the journal may lose it."""
        world = self.world
        self.say(world.control, c.queue(QUEUE, len(world.partitions)))
        world.after(20_000, self.announce)

    def upgrade(self) -> None:
        """Try to activate the next release's version, and use what it brings; come back until it is active, and once more."""
        world, was_late = self.world, self.is_late
        for place in world.partitions:
            late = [c.genesis(bytes(16), 0, 1)] if place.observer.version > 1 else []
            bury = [BURY, [f"client0-{world.rng.randint(1, 20)}".ljust(36, "-")]]
            self.say(place, *late, c.activate(NEWEST_VERSION), bury)
        self.is_late = all(place.observer.version > 1 for place in world.partitions)
        if not was_late and world.now_ms < UPGRADED_BY_MS:
            world.after(world.rng.randint(3_000, 12_000), self.upgrade)


def divided_seeds(count: int) -> list[int]:
    """Return the first seeds in whose histories the queue has several partitions."""
    return list(islice((seed for seed in itertools.count() if is_divided_in(Random(seed))), count))


def is_divided_in(rng: Random) -> bool:
    """Decide, first of all, whether the queue has several partitions."""
    return rng.random() < DIVIDED_SHARE


def run(seed: int) -> Report:
    """Let one history happen: trouble, then calm until all work is done; raise on a broken promise."""
    world = World(seed)
    with inside(world):
        try:
            return _run(world)
        except Exception as error:
            story = "\n".join(world.story[-STORY_LINES_SHOWN:])
            described = "\n".join(f"{place.name}: {place.observer.machine.describe()}" for place in world.partitions)
            again = f"run it again: python -m tests.simulator --seed {seed}"
            text = f"seed {seed}: {error}\n{again}\n{story}\n{described}"
            raise BrokenPromiseError(text) from error


def _run(world: World) -> Report:
    is_divided = is_divided_in(world.rng)
    world.begin(world.rng.randint(2, 3) if is_divided else 1)
    world.loses_genesis = world.chance(0.5)
    if is_divided:
        world.faults.leave *= MORE_LEAVE
        if world.chance(0.5):
            world.faults.slow *= MORE_SLOW
    clients = [Client(world, f"client{number}") for number in range(world.rng.randint(1, 2))]
    asker = Asker(world, "asker")
    trouble_ms = world.rng.choice(TROUBLE_MS[:2] if is_divided else TROUBLE_MS)
    servers = [
        Server(world, f"server{n}") for n in range(world.rng.randint(3, 4) if is_divided else world.rng.randint(1, 3))
    ]
    operator = Operator(world)
    for loop in [client.loop for client in clients] + [server.loop for server in servers] + [asker.loop]:
        world.after(world.rng.randint(0, 1_000), loop)
    if is_divided:
        operator.announce()
    if world.chance(UPGRADE_SHARE):
        _plan_upgrade(world, servers, operator, trouble_ms)
    world.run_until(trouble_ms)

    world.tell("the world is healed")
    world.faults = HEALED
    for client in clients:
        client.is_active = False
    asker.is_active = False
    if not is_divided and world.chance(REPLIES_SHARE):
        _ask_while_servers_live(world, asker, servers)
    calm_from_ms = world.now_ms
    while world.now_ms - calm_from_ms < CALM_MS and not _is_over(world, clients, asker):
        operator.look()
        world.run_until(world.now_ms + LOOK_EVERY_MS)
    _judge(world, clients, asker)
    if is_divided and world.chance(SHARED_OUT_SHARE):
        _see_shared_out(world, servers)
    return _report(world, clients, asker)


def _see_shared_out(world: World, servers: list[Server]) -> None:
    """Wait until each partition is followed by those that should, and nobody else."""
    count = len(world.partitions)

    def wanted() -> dict[str, set[int]]:
        names = {server.server_id for server in servers}
        return {name: followed_by(name, names, QUEUE, count) for name in names}

    def followed() -> dict[str, set[int]]:
        names = {server.server_id for server in servers}
        found: dict[str, set[int]] = {name: set() for name in names}
        for number, place in enumerate(world.partitions):
            for view in place.observer.machine.sessions():
                if view.server_id in names:  # Those of the dead may be dormant, and stay a while.
                    found[view.server_id].add(number)
        return found

    calm_from_ms = world.now_ms
    while followed() != wanted():
        promise(world.now_ms - calm_from_ms < CALM_MS, f"after an hour of calm {followed()} follow, not {wanted()}")
        world.run_until(world.now_ms + LOOK_EVERY_MS)
    world.met["shared out"] += 1


def _plan_upgrade(world: World, servers: list[Server], operator: Operator, trouble_ms: int) -> None:
    """Let each server be replaced by the next release, one after the other, and an operator activate it; maybe too early."""
    for server in servers:
        if world.chance(0.8):
            world.after(world.rng.randint(0, trouble_ms), partial(_replace, server))
    world.after(world.rng.randint(3_000, trouble_ms), operator.upgrade)


def _replace(server: Server) -> None:
    server.next_release = NEWEST
    if server.world.chance(0.5):
        server.crash()
    else:
        server.leave()


def _report(world: World, clients: list[Client], asker: Asker) -> Report:
    observers = [place.observer for place in world.partitions]
    world.met["activated"] += any(observer.version > 1 for observer in observers)
    world.met["activation refused"] += sum(observer.refused_count for observer in observers)
    world.met["divided"] += world.is_divided
    world.met["set finished"] += sum(observer.grouping.finished_count for observer in observers)
    world.met["all of a state"] += sum(observer.sweep_count for observer in observers)
    world.met["set given up"] += sum(observer.grouping.given_up_count for observer in observers)
    books = world.control.observer.books
    world.met["firing made"] += check_firings(world)
    world.met["token given"] += len(books.given)
    world.met["token refused"] += len(books.refused)
    world.met["left in order"] += sum(len(observer.left) for observer in observers)
    world.met["last one kept"] += sum(observer.kept_count for observer in observers)
    return Report(
        entry_count=sum(len(place.log.entries) for place in world.places.values()),
        task_count=sum(len(observer.books) for observer in observers),
        acknowledged_count=sum(len(client.acknowledged) for client in clients) + len(asker.acknowledged),
        checkpoint_count=world.checkpoint_count,
        recovered_count=sum(book.counted_count > 0 for one in observers for book in one.books.values()),
        replied_count=asker.replied_count,
        folded_count=asker.folded_count,
        digest=b"".join(place.machine.digest() for place in world.places.values()),
        kills=world.kills,
        hangs=world.hangs,
        met=world.met,
    )


def _ask_while_servers_live(world: World, asker: Asker, servers: list[Server]) -> None:
    """Ask when all servers live, then with the first of several stopped: each time somebody has to reply."""
    world.run_until(world.now_ms + ALL_LIVE_AFTER_MS)
    seats = [server.seat_in(world.partitions[0].name) for server in servers]
    promise(all(seat and seat.session.is_open for seat in seats), "a server has no session in a healed world")
    asker.must_be_replied = True
    for is_first_stopped in (False, True) if len(servers) > 1 else (False,):
        if is_first_stopped:
            of_session = {seat.session.name: one for seat, one in zip(seats, servers, strict=True) if seat is not None}
            known = world.partitions[0].observer.machine.sessions()
            first = min(view.session for view in known if view.session in of_session)
            of_session[first].stopped_until_ms = world.now_ms + STOPPED_MS
        for asker.loses_answers in (False, True):
            asker.begin_anew()
            asker.ask()
            while asker.is_waiting:
                world.run_until(world.now_ms + 100)


def _is_over(world: World, clients: list[Client], asker: Asker) -> bool:
    for place in world.partitions:
        counts = place.observer.machine.counts()
        if counts.pending or counts.active or counts.scheduled or counts.retry or counts.aggregating:
            return False
        if place.observer.machine.state.groups.sets:
            return False
    return not any(client.is_waiting for client in clients) and not asker.is_waiting


def _judge(world: World, clients: list[Client], asker: Asker) -> None:
    promise(_is_over(world, clients, asker), "an hour of calm was not enough: something is stuck")
    for place in world.partitions:
        place.observer.check_state(is_end=True)
    of = [place.observer for place in world.partitions]
    archived = [{view.task_id for view in one.machine.list_tasks(TaskState.ARCHIVED)} for one in of]
    for acknowledged in [*(client.acknowledged for client in clients), asker.acknowledged]:
        for number, task_id in sorted(acknowledged):
            book = of[number].books.get(task_id)
            promise(book is not None, f"{task_id} was acknowledged and is unknown")
            promise(book is None or book.ended_by or task_id in archived[number], f"{task_id} never came to its end")
    for each in world.places.values():
        if each.log.entries:
            check_that_a_replica_can_begin(world, each)
