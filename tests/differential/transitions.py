"""How is each step carried out on all sides?

Contract: one function a transition. It draws what it needs from the step's random numbers, acts on Go, ours and the machine in this order
or the one that the transition needs, and compares the answers; `World.run` compares the states afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from asynq_compat.errors import CorruptDataError
from asynq_compat.ports.administering import AdminOutcome
from asynq_compat.ports.consuming import SettleKind, Settlement, SettleOutcome
from asynq_compat.ports.producing import EnqueueRequest, EnqueueStatus
from asynq_compat.wire import TaskMessage, encode_message, unique_key
from tests.differential import bulk, groups, inspector, reads, schedulers
from tests.differential.differences import Difference
from tests.differential.snapshot import LOCK_TTLS_S
from tests.differential.steps import Step
from tests.differential.world import CAPACITY, Held, World

IDS = [f"task-{letter}" for letter in "abcdefghijkl"]
_TYPES = ("pay", "pay", "email")
_PAYLOADS = (b"x", b"x", b"x", None, b"", bytes(range(256)))
_HEADERS: tuple[dict[str, str] | None, ...] = (None, {"trace": "a1"}, {"trace": "a1", "": "Ünal"})
_TEXTS = ("boom", "", "no such customer: Ünal", "x" * 300)
_PASSING_S = (0.25, 0.75, 1, 1, 1, 2, 2, 5, 5, 10, 31, 61, 61, 100, 3600, 86_400)


def carry_out(world: World, step: Step, random: Random) -> None:
    """Carry out one step."""
    name = step.name
    if name.startswith("enqueue"):
        _enqueue(world, name, random)
    else:
        _STEPS[name](world, random)


# Enqueueing.


def _request(world: World, name: str, queue: str, random: Random) -> EnqueueRequest:
    type_name, payload = random.choice(_TYPES), random.choice(_PAYLOADS)
    lock = unique_key(queue, type_name, payload) if name.endswith("unique") else ""
    group = random.choice(("g", "h:i")) if "grouped" in name else ""
    message = TaskMessage(
        type=type_name,
        payload=payload,
        id=random.choice(IDS),
        queue=queue,
        retry=random.choice((0, 1, 25)),
        timeout=random.choice((0, 1800)),
        deadline=random.choice((0, 4_000_000_000)),
        unique_key=lock,
        retention=random.choice((0, 0, 5, 60)),
        group_key=group,
        headers=random.choice(_HEADERS),
    )
    earliest_s = 1 if world.machines else -5
    in_s = random.choice((earliest_s, 1, 5, 5, 60, 4000)) if "scheduled" in name else None
    return EnqueueRequest(
        queue,
        message.id,
        encode_message(message),
        process_at=None if in_s is None else world.clock.now_s() + in_s,
        group=group,
        unique_key=lock,
        unique_ttl_s=random.choice((min(LOCK_TTLS_S), *LOCK_TTLS_S)) if lock else 0,
        has_chosen_id=True,
    )


def _enqueue(world: World, name: str, random: Random) -> None:
    queue = random.choice(world.queues)
    # A batch may meet a lock that one of its own refused tasks has left behind: with the machine only one by one.
    count = 1 if world.machines and name.endswith("unique") else random.choice((1, 1, 2, 4))
    _hand_over(world, name, [_request(world, name, queue, random) for _ in range(count)])


def _hand_over(world: World, name: str, requests: list[EnqueueRequest]) -> None:
    queue = requests[0].queue
    ours = list(world.ours.producing.enqueue(requests))
    world.tell(f"  {queue}: {[request.task_id for request in requests]} -> {ours}")
    world.same(name, go=world.go.enqueue(requests), ours=ours)
    for outcome in ours:
        world.count(name, outcome)
    machine = world.machines.get(queue)
    if machine is None:
        return
    world.same(name, ours=ours, machine=machine.enqueue(requests))
    lock = requests[0].unique_key
    if lock and ours == [EnqueueStatus.ID_CONFLICT] and lock not in machine.locks():
        world.locks.drop(lock)
        world.count(Difference.LOCK_LEFT_BY_ID_CONFLICT.value)


# Taking and settling.


def _take(world: World, random: Random) -> None:
    queue = random.choice(world.queues)
    leases = world.intakes[queue].take(0)
    world.tell(f"  {queue}: {[lease.task_id for lease in leases]}")
    machine = world.machines.get(queue)
    for lease in leases:
        message = world.go.take(queue)
        world.same("take", go=message and message.id, ours=lease.task_id)
        assert message is not None
        place = machine.take() if machine else None
        if machine:
            assert place is not None, "\n".join([*world.story, "the machine has nothing to take"])
        lease.has_started = True
        world.held.append(Held(queue, lease, message, place))
        world.count("take", "given")
    if len(world.live(queue)) < CAPACITY:
        world.same("take", go=world.go.take(queue), ours=None, machine=machine.take() if machine else None)
        world.count("take", "nothing")


def _settle(world: World, random: Random) -> None:
    queue = random.choice(world.queues)
    candidates = [held for held in world.held if held.queue == queue]
    if world.machines:  # Difference.STALE_LEASE_SETTLES_NOTHING
        candidates = [
            held for held in candidates if not (held.is_settled and world.is_active(queue, held.lease.task_id))
        ]
    chosen = random.sample(candidates, min(len(candidates), random.choice((1, 1, 2, 3))))
    if len({held.lease.task_id for held in chosen}) < len(chosen):
        chosen = chosen[:1]
    # In the machine a task whose time has come is pending with the next entry, which may be the test's own.
    delays_s = (1, 1.5, 5, 90) if world.machines else (0, 1, 1.5, 5, 90)
    _settle_these(world, queue, chosen, [_settlement(held, delays_s, random) for held in chosen])


def _settle_these(world: World, queue: str, chosen: list[Held], settlements: list[Settlement]) -> None:
    freed = sum(not held.is_settled for held in chosen)
    outcomes = world.intakes[queue].settle(settlements, freed)
    for held, settlement, outcome in zip(chosen, settlements, outcomes, strict=True):
        name = f"settle_{settlement.kind.value}"
        world.tell(f"  {name} {held.lease.task_id} -> {outcome.value}")
        world.count(name, outcome)
        if held.lease.term.is_valid():
            world.same(name, go=_go_settles(world, held, settlement), ours=outcome is SettleOutcome.SETTLED)
        else:  # Neither Go's processor nor ours tries: another may have it.
            world.same(name, ours=outcome, expired=SettleOutcome.NOT_HELD)
        _settle_in_machine(world, held, settlement, outcome)
        if outcome is SettleOutcome.SETTLED:
            world.settled(held)


def _settlement(held: Held, delays_s: Sequence[float], random: Random) -> Settlement:
    kinds = [SettleKind.RETRY, SettleKind.RETRY, SettleKind.ARCHIVE, SettleKind.REQUEUE, SettleKind.DONE]
    if held.message.retention:
        kinds += [SettleKind.COMPLETE] * 4
    kind = random.choice(kinds)
    return Settlement(held.lease, kind, random.choice(delays_s), random.choice(_TEXTS), random.random() < 0.8)


def _go_settles(world: World, held: Held, settlement: Settlement) -> bool:
    return world.go.settle(
        held.message, settlement.kind, settlement.delay_s, settlement.error_msg, is_failure=settlement.is_failure
    )


def _settle_in_machine(world: World, held: Held, settlement: Settlement, outcome: SettleOutcome) -> None:
    if not world.machines or not held.lease.term.is_valid():
        return
    assert held.place is not None
    answer = world.machines[held.queue].settle(
        held.place,
        settlement.kind,
        settlement.delay_s,
        settlement.error_msg,
        is_failure=settlement.is_failure,
    )
    world.same("settle", ours=outcome is SettleOutcome.SETTLED, machine=answer)


def _lock_goes_to_another(world: World, random: Random) -> None:
    """The lock of a running task ends, another task takes it, and the first one finishes."""
    ends_at_ms = world.locks.ends_at_ms
    held = [held for held in world.held if not held.is_settled and held.message.unique_key in ends_at_ms]
    if not held:
        _hand_over(world, "enqueue_unique", [_request(world, "enqueue_unique", random.choice(world.queues), random)])
        return
    one = random.choice(held)
    wait_ms = ends_at_ms[one.message.unique_key] - world.clock.now_ms()
    if 0 < wait_ms <= min(LOCK_TTLS_S) * 1000:
        _pass(world, wait_ms / 1000)
        world.compare()
    twin = TaskMessage(
        type=one.message.type,
        payload=one.message.payload,
        id=random.choice(IDS),
        queue=one.queue,
        unique_key=one.message.unique_key,
    )
    request = EnqueueRequest(
        one.queue, twin.id, encode_message(twin), unique_key=twin.unique_key, unique_ttl_s=5000, has_chosen_id=True
    )
    _hand_over(world, "enqueue_unique", [request])
    world.compare()
    kind = SettleKind.COMPLETE if one.message.retention else SettleKind.DONE
    _settle_these(world, one.queue, [one], [Settlement(one.lease, kind)])


def _extend(world: World, random: Random) -> None:
    queue = random.choice(world.queues)
    leases = [held.lease for held in world.held if held.queue == queue and held.lease.term.is_valid()]
    if not leases:
        return
    world.intakes[queue].extend(leases)
    world.go.extend(queue, [lease.task_id for lease in leases])
    world.tell(f"  {queue}: {[lease.task_id for lease in leases]}")
    world.count("extend")


def _write_result(world: World, random: Random) -> None:
    held = [held for held in world.held if not held.is_settled]
    if not held:
        return
    one = random.choice(held)
    result = random.choice((b"", b"42", bytes(range(256))))
    ours = world.intakes[one.queue].write_result(one.lease, result)
    world.same("write_result", go=world.go.write_result(one.queue, one.lease.task_id, result), ours=ours)
    world.count("write_result")
    if world.machines:
        assert one.place is not None
        world.machines[one.queue].write_result(one.place, result)


def _write_result_late(world: World, random: Random) -> None:
    """As with Asynq a task that is gone comes back as a ghost that holds nothing but the result (G23)."""
    stale = [held for held in world.held if held.is_settled]
    if not stale:
        return
    one = random.choice(stale)
    ours = world.intakes[one.queue].write_result(one.lease, b"late")
    world.same("write_result", go=world.go.write_result(one.queue, one.lease.task_id, b"late"), ours=ours)
    world.count("write_result", "late")


# Time and duties.


def _let_time_pass(world: World, random: Random) -> None:
    seconds: float = random.choice(_PASSING_S)
    if random.random() < 0.4 and (instants_ms := world.instants_ms()):
        # To the very millisecond at which something is due, or just before it: there off-by-ones show.
        wait_ms = random.choice(instants_ms[:3]) - world.clock.now_ms() - random.choice((0, 0, 0, 250))
        seconds = max(wait_ms, 250) / 1000
    _pass(world, seconds, are_duties_late=not world.machines and random.random() < 0.3)


def _pass(world: World, seconds: float, *, are_duties_late: bool = False) -> None:
    world.clock.advance_s(seconds)
    world.go.set_now(world.clock.now_ns())
    world.locks.expire(world.clock.now_ms())
    world.tell(f"  {seconds:g} s")
    world.count("let_time_pass")
    if not are_duties_late:
        _duties(world)
    for machine in world.machines.values():  # Difference.TIME_PASSES_BY_ITSELF
        machine.let_time_pass(world.clock.now_ms())


def _duties(world: World) -> None:
    moved = world.ours.maintaining.forward_due(world.queues)
    world.go.forward_due(world.queues)
    world.count("forward_due", "moved" if moved else "nothing")
    for queue in world.queues:
        deleted = world.ours.maintaining.delete_expired_completed([queue], 2)
        world.go.delete_expired_completed(queue, 2)
        world.count("delete_expired_completed", "deleted" if deleted else "nothing")
    if world.machines:
        groups.reclaim(world)


def _recover(world: World, random: Random) -> None:
    leases = world.ours.maintaining.expired_leases(world.queues)
    gos = world.go.expired(world.queues)
    world.same("expired_leases", go=[message.id for message in gos], ours=[lease.task_id for lease in leases])
    world.count("expired_leases", "found" if leases else "none")
    for lease, message in zip(leases, gos, strict=True):
        kind = random.choice((SettleKind.RETRY, SettleKind.ARCHIVE))
        settlement = Settlement(lease, kind, 5, "asynq: task lease expired", is_failure=True)
        (outcome,) = world.ours.maintaining.settle_expired([settlement])
        go_settled = world.go.settle(message, kind, 5, settlement.error_msg, is_failure=True)
        world.same("settle_expired", go=go_settled, ours=outcome is SettleOutcome.SETTLED)
        world.count("settle_expired", kind)
        world.tell(f"  recovered {lease.queue} {lease.task_id} as {kind.value}")
        (held,) = [one for one in world.live(lease.queue) if one.lease.task_id == lease.task_id]
        world.intakes[lease.queue].settle([], 1)
        if world.machines:
            assert held.place is not None
            is_done = world.machines[lease.queue].recover(held.place, kind, 5, settlement.error_msg)
            world.same("settle_expired", ours=outcome is SettleOutcome.SETTLED, machine=is_done)
        world.settled(held)


# Operators.


def _administer(operation: str) -> Callable[[World, Random], None]:
    def act(world: World, random: Random) -> None:
        queue = random.choice((*world.queues * 4, "nobody's"))
        known = world.known(queue)
        task_id = random.choice(known) if known and random.random() < 0.8 else random.choice(IDS)
        method = getattr(world.ours.administering, operation)
        try:
            ours: AdminOutcome | str = method(queue, task_id)
        except CorruptDataError:
            ours = "error"
        world.tell(f"  {queue} {task_id} -> {ours}")
        # Go's script finds that the task is not where its state says.
        seen = "error" if ours is AdminOutcome.TASK_IS_IN_SET else ours
        world.same(operation, go=world.go.administer(operation, queue, task_id), ours=seen)
        world.count(operation, ours)
        # Whether a queue is known is the control journal's affair.
        if queue in world.machines and ours is not AdminOutcome.QUEUE_NOT_FOUND:
            world.same(operation, ours=ours, machine=world.machines[queue].administer(operation, task_id))

    return act


def _pause(operation: str) -> Callable[[World, Random], None]:
    def act(world: World, random: Random) -> None:
        queue = random.choice(world.queues)
        administering = world.ours.administering
        change = administering.pause_queue if operation == "pause" else administering.unpause_queue
        ours = change(queue)
        world.tell(f"  {queue} -> {ours}")
        world.same(operation, go=world.go.administer(operation, queue), ours=ours)
        world.count(f"{operation}_queue", ours)
        if world.machines:
            world.same(operation, ours=ours, machine=world.machines[queue].administer(operation))

    return act


_STEPS: dict[str, Callable[[World, Random], None]] = {
    "list_tasks": reads.list_tasks,
    "queue_stats": reads.queue_stats,
    "server_state": reads.server_state,
    "publish_cancelation": reads.publish_cancelation,
    "scheduler_entries": schedulers.scheduler_entries,
    "scheduler_history": schedulers.scheduler_history,
    "take": _take,
    "settle": _settle,
    "lock_goes_to_another": _lock_goes_to_another,
    "extend": _extend,
    "write_result": _write_result,
    "write_result_late": _write_result_late,
    "aggregate": groups.aggregate,
    "delete_set": lambda world, random: groups.delete_set(world, random, _request),
    "reclaim_sets": lambda world, random: groups.reclaim_sets(world, random, _pass),
    "list_groups": groups.list_groups,
    "let_time_pass": _let_time_pass,
    "recover": _recover,
    "run_task": _administer("run_task"),
    "archive_task": _administer("archive_task"),
    "delete_task": _administer("delete_task"),
    "run_all": bulk.change_all("run_all"),
    "archive_all": bulk.change_all("archive_all"),
    "delete_all": bulk.change_all("delete_all"),
    "update_payload": bulk.update_payload,
    "pause_queue": _pause("pause"),
    "unpause_queue": _pause("unpause"),
    "inspector_reads": inspector.reads,
    "inspector_changes": inspector.changes,
    "inspector_bulk": inspector.bulk,
    "inspector_delete_queue": inspector.delete_queue,
}
