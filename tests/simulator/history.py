"""What happens in the history of one seed?

Contract: the same seed gives the same history. A broken promise is raised with the seed and the last lines of the story.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asynq_compat.brokers.journal.keeping.checkpointing import CHUNK, CONFIRMED, MARKED, READ_BACK
from asynq_compat.brokers.journal.keeping.cutting import JOURNAL_CUT, STATE_CUT
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame
from tests.simulator.asker import Asker
from tests.simulator.client import Client
from tests.simulator.keeper import BEGUN_ANEW, MARKER_SENT, SNAPSHOT, check_that_a_replica_can_begin
from tests.simulator.observer import BrokenPromiseError, promise
from tests.simulator.server import Server
from tests.simulator.world import HEALED, World

TROUBLE_MS = 50_000
CALM_MS = 3_600_000
LOOK_EVERY_MS = 2_000
STORY_LINES_SHOWN = 30
# Of so many histories: whether somebody replies as long as servers live.
REPLIES_SHARE = 0.3
# By then every server that crashed or was stopped is back, and has a session.
ALL_LIVE_AFTER_MS = 90_000
STOPPED_MS = 20_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a history consisted of."""

    entry_count: int
    task_count: int
    acknowledged_count: int
    kills: dict[str, int]
    checkpoint_count: int
    recovered_count: int
    replied_count: int
    folded_count: int


# Where somebody has to die in some history: as an append is sent, stored, answered, and behind each step of a keeper and a replica.
KILL_POINTS = (
    *(f"append {state}" for state in ("sent", "stored", "answered")),
    *(SNAPSHOT, CHUNK, READ_BACK, MARKER_SENT, MARKED, CONFIRMED, JOURNAL_CUT, STATE_CUT, BEGUN_ANEW),
)


def unhit(reports: Iterable[Report]) -> list[str]:
    """Return the points at which nobody died in these histories."""
    hit = {point for report in reports for point in report.kills}
    return [point for point in KILL_POINTS if point not in hit]


@dataclass(slots=True)
class Operator:
    """Lets a paused queue go on; a late frame of a client may have paused it."""

    world: World
    sequence: int = 0

    def look(self) -> None:
        """Unpause what is paused."""
        if self.world.observer.machine.is_paused():
            self.sequence += 1
            frame = encode_frame(b"operator........", self.sequence, [c.unpause()])
            self.world.append(frame, lambda _: None)


def run(seed: int) -> Report:
    """Let one history happen: trouble, then calm until all work is done; raise on a broken promise."""
    world = World(seed)
    try:
        return _run(world)
    except Exception as error:
        story = "\n".join(world.story[-STORY_LINES_SHOWN:])
        text = f"seed {seed}: {error}\n{story}\n{world.observer.machine.describe()}"
        raise BrokenPromiseError(text) from error


def _run(world: World) -> Report:
    clients = [Client(world, f"client{number}") for number in range(world.rng.randint(1, 2))]
    asker = Asker(world, "asker")
    servers = [Server(world, f"server{number}") for number in range(world.rng.randint(1, 3))]
    for loop in [client.loop for client in clients] + [server.loop for server in servers] + [asker.loop]:
        world.after(world.rng.randint(0, 1_000), loop)
    world.run_until(TROUBLE_MS)

    world.tell("the world is healed")
    world.faults = HEALED
    for client in clients:
        client.is_active = False
    asker.is_active = False
    if world.chance(REPLIES_SHARE):
        _ask_while_servers_live(world, asker, servers)
    calm_from_ms = world.now_ms
    operator = Operator(world)
    while world.now_ms - calm_from_ms < CALM_MS and not _is_over(world, clients, asker):
        operator.look()
        world.run_until(world.now_ms + LOOK_EVERY_MS)
    _judge(world, clients, asker)
    return Report(
        entry_count=len(world.log.entries),
        kills=dict(world.kills),
        checkpoint_count=world.checkpoint_count,
        task_count=len(world.observer.books),
        acknowledged_count=sum(len(client.acknowledged) for client in clients) + len(asker.acknowledged),
        recovered_count=sum(book.counted_count > 0 for book in world.observer.books.values()),
        replied_count=asker.replied_count,
        folded_count=asker.folded_count,
    )


def _ask_while_servers_live(world: World, asker: Asker, servers: list[Server]) -> None:
    """Ask when all servers live, then with the first of several stopped: each time somebody has to reply."""
    world.run_until(world.now_ms + ALL_LIVE_AFTER_MS)
    promise(all(server.session is not None for server in servers), "a server has no session in a healed world")
    asker.must_be_replied = True
    for is_first_stopped in (False, True) if len(servers) > 1 else (False,):
        if is_first_stopped:
            of_session = {server.session: server for server in servers}
            first = min(view.session for view in world.observer.machine.sessions() if view.session in of_session)
            keeper = of_session[first]
            keeper.stopped_until_ms = world.now_ms + STOPPED_MS
        for asker.loses_answers in (False, True):
            asker.ask()
            while asker.is_waiting:
                world.run_until(world.now_ms + 100)


def _is_over(world: World, clients: list[Client], asker: Asker) -> bool:
    counts = world.observer.machine.counts()
    is_idle = not (counts.pending or counts.active or counts.scheduled or counts.retry)
    return is_idle and not any(client._in_flight for client in clients) and not asker.is_waiting


def _judge(world: World, clients: list[Client], asker: Asker) -> None:
    observer = world.observer
    promise(_is_over(world, clients, asker), "an hour of calm was not enough: something is stuck")
    observer.check_state(is_end=True)
    archived = {view.task_id for view in observer.machine.list_tasks(TaskState.ARCHIVED)}
    for acknowledged in [*(client.acknowledged for client in clients), asker.acknowledged]:
        for task_id in sorted(acknowledged):
            book = observer.books.get(task_id)
            promise(book is not None, f"{task_id} was acknowledged and is unknown")
            promise(book is None or book.ended_by or task_id in archived, f"{task_id} never came to its end")
    check_that_a_replica_can_begin(world)
