"""Which journals are recorded, so that every later release reads them as this one does?

Contract: told twice a story gives the same bytes. Together they hold every command and every outcome of machine version 1; a command
that is new in a later version gets a story of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from asynq_compat.wire import admin_command as ac
from asynq_compat.wire import command as c
from asynq_compat.wire import scheduling_command as sc
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.token_command import return_token, take_token
from tests.unit.machine.log import START_MS, Entry, Log, message

LARGE_BYTES = 5_000


def work() -> list[Entry]:
    """A queue's life: tasks of all kinds, done, kept, failed, handed back, recovered, and what an operator does."""
    log = Log()
    log.frame(c.genesis(b"j" * 16, 0, 1), c.enqueue(list("abcdef"), [message(i) for i in "abcdef"]))
    at = START_MS // 1000 + 20
    more, keys = list("ghija"), [None, "k", "k", None, None]
    ttls = [900 if key else None for key in keys]
    due = [at, None, None, START_MS // 1000 - 5, None]
    log.frame(
        c.enqueue_more(more, [message(i) for i in more], process_at=due, unique_keys=keys, unique_ttls=ttls), c.ask()
    )
    first = log.open("one", credit=4)
    second = log.open("two", credit=2)
    log.session(
        first, c.settle_done([(first, 0, 1)]), c.settle_complete([(first, 1, 2, 30)]), mark=(first, 3), credit=1
    )
    log.session(
        first, c.write_result(first, 2, b"half"), c.settle_retry([(first, 2, 5_000, "no", 1), (first, 3, 0, "", None)])
    )
    log.session(second, c.settle_archive([(second, 0, "never")]), c.settle_requeue([(second, 1, 2)]), credit=3)
    log.session(second, c.settle_done([(second, 0, 2), (99, 0, 1)]), c.hand_back([(log.position, 0, 1)]), credit=-9)
    log.frame(
        c.run(["c", "nobody", "h", "h"]), c.archive(["d", "e", "h", "b"]), c.archive(["d"]), c.delete(["d", "i", "b"])
    )
    log.frame(c.pause(), c.pause(), writer="operator")
    log.frame(c.enqueue(["z"], [message("z")]), c.run(["z"]))
    log.frame(c.reply(b"client..........", 2, [[0, 0, 1, 0, 2], 0]), c.unpause(), c.unpause(), writer="operator")
    log.session(first, credit=6)
    log.session(first, mark=(log.position, 2))
    log.pass_s(21)
    log.session(second, credit=2)
    log.pass_s(24)
    places = [(orphan.session, orphan.position, orphan.index) for orphan in log.machine.orphans(0)]
    log.frame(
        c.recover_retry([(*places[0], 1_000, "lost", 1)]), c.recover_archive([(*places[0], "lost")]), writer="two"
    )
    log.frame(c.recover_archive([(*places[1], "lost"), (*places[0], "lost")]), writer="two")
    log.session(second, c.close_session(second), [c.TICK, "too much"], [77])
    log.pass_s(70)
    return log.entries


def keeping() -> list[Entry]:
    """What a journal says about itself, writers that stumble, a clock that steps."""
    log = Log()
    log.frame(c.genesis(b"k" * 16, 2, 4))
    log.frame(c.genesis(b"l" * 16, 0, 1), c.activate(2))
    name = log.open("keeper", credit=1)
    log.frame(c.activate(1), c.activate(2), c.activate(9))
    trail = log.machine.trail
    log.frame(c.checkpointed(log.position, b"d" * 32, 5, trail), c.checkpointed(log.position, b"d" * 32, 5, trail))
    log.frame(
        c.checkpointed(log.position, b"e" * 32, 3, b"t" * 16), c.checkpointed(log.position + 1, b"f" * 32, 9, trail)
    )
    log.append(log.entries[-1][3])
    log.append(encode_frame(b"client".ljust(16, b"."), 99, [c.tick()]))
    log.append(b"\x94\x01")
    log.append(b"\x91")
    log.now_ms -= 5_000
    log.session(name, credit=1)
    log.now_ms -= 3_600_000
    log.frame(c.enqueue(["a", "b"], [message("a"), bytes(LARGE_BYTES)]))
    log.append(encode_frame(b"foreign-time....", 1, [c.enqueue(["c"], [message("c")])]), is_log_time=False)
    log.now_ms += 86_400_000
    log.session(name, c.settle_done([(log.position - 1, 0, 1)]), credit=1)
    log.pass_s(3_700, step_s=120)
    return log.entries


def left() -> list[Entry]:
    """Servers that let go of a partition: the last one that takes tasks stays."""
    log = Log()
    log.frame(c.genesis(b"p" * 16, 3, 4), c.enqueue(["a", "b"], [message("a"), message("b")]))
    first = log.open("one", credit=1)
    second = log.open("two", credit=3)
    dormant = log.open("three")
    log.session(first, c.leave(first), [c.LEAVE], mark=(first, 0))
    log.session(second, c.leave(second), c.leave(first))
    log.session(dormant, c.leave(dormant))
    third = log.open("four", credit=1)
    log.session(third, credit=-1)
    log.session(second, c.leave(second))
    log.session(third, credit=1)
    log.pass_s(21)
    log.session(second, c.leave(second))
    log.session(third, credit=1)
    log.session(second, c.leave(second), c.leave(second), mark=(second, 1))
    log.pass_s(40)
    return log.entries


def groups() -> list[Entry]:
    """Tasks that wait in groups, sets that are deleted, come too late or are left to their time, and what an operator may not touch."""
    log = Log()
    log.frame(c.genesis(b"g" * 16, 0, 1))
    more, names = list("abcdefg"), ["g", "g", "g", "h", "g", "i", "j"]
    keys, ttls = ["k", *[None] * 6], [500, *[None] * 6]
    due = [None, None, None, None, START_MS // 1000 + 3, None, None]
    columns = [message(i) for i in more]
    log.frame(
        c.enqueue_more(more, columns, process_at=due, unique_keys=keys, unique_ttls=ttls, groups=names),
        c.enqueue_more(["a", "z"], [b"", b""], groups=["g", ""]),
    )
    log.frame(c.aggregate(["g", "h", "nobody"], 2, 0, 60), c.aggregate(["h"], 0, 0, 60), c.ask())
    first = log.position
    log.frame(c.run(["a", "d"]), c.archive(["b"]), c.delete(["b", "g"]), writer="operator")
    instead = c.enqueue_more(["ab"], [message("ab")], unique_keys=["k"], unique_ttls=[60])
    log.frame(c.delete_set(first, 0, instead))
    log.frame(c.delete_set(first, 0, c.enqueue_more(["c"], [message("c")])), c.delete_set(first, 9))
    log.frame(
        c.delete_set(first, 0, c.enqueue_more(["ab"], [message("ab")])), c.delete_set(first, 0), [c.DELETE_SET, 0]
    )
    log.pass_s(4)
    log.frame(c.aggregate(["g"], 0, 2, 60), c.aggregate(["g", "i"], 0, 0, 4), c.aggregate(["g"], -1, 0, 0))
    name = log.open("one", credit=3)
    log.session(name, c.settle_retry([(name, 0, 1_000, "no", 1)]), mark=(name, 2))
    log.pass_s(200)
    log.frame(c.archive(["c"]), c.delete(["e"]), c.delete_set(first + 5, 0))
    return log.entries


def activated() -> list[Entry]:
    """All servers know a version that this release does not, and an operator lets it hold: the last entry that this release reads."""
    log = Log()
    log.frame(c.genesis(b"a" * 16, 0, 1), c.enqueue(["a", "b"], [message("a"), message("b")]))
    log.frame(c.open_session("new", 1, 1, 2), writer="new")
    log.frame(c.activate(2), writer="operator")
    return log.entries


def operated() -> list[Entry]:
    """An operator changes all tasks of a state, what a task says, and the whole queue."""
    log = Log()
    at = START_MS // 1000 + 600
    log.frame(c.genesis(b"o" * 16, 0, 1), c.enqueue(list("abcde"), [message(i) for i in "abcde"]))
    later, keys = list("hgf"), ["k", None, None]
    log.frame(
        c.enqueue_more(
            later,
            [message(i) for i in later],
            process_at=[at, at - 1, at],
            unique_keys=keys,
            unique_ttls=[900, None, None],
        )
    )
    log.frame(ac.update_payload("h", b"new"), ac.update_payload("a", b"new"), ac.update_payload("nobody", b""))
    log.frame(ac.archive_all("pending", "", 2), ac.archive_all("retry", "", 1), ac.delete_all("scheduled", "", 1))
    log.frame(ac.run_all("scheduled", "", 5), ac.run_all("archived", "", 1), ac.remove_queue(force=False))
    name = log.open("one", credit=4)
    given = log.position
    log.frame(ac.remove_queue(force=True), ac.run_all("active", "", 1), ac.delete_all("pending", "", 0))
    log.session(
        name,
        c.settle_complete([(given, 0, 2, 30), (given, 2, 3, 40)]),
        c.settle_retry([(given, 3, 90_000, "no", 1)]),
        mark=(given, 4),
    )
    log.frame(ac.archive_all("retry", "", 4), ac.delete_all("completed", "", 1), ac.delete_all("archived", "", 9))
    log.frame(c.pause(), ac.delete_all("pending", "", 1), c.enqueue(["y"], [message("y")]))
    log.frame(ac.remove_queue(force=True), ac.remove_queue(force=False), [c.REMOVE_QUEUE, 1])
    log.frame(c.enqueue(["z", "h"], [message("z"), message("h")]))
    grouped, groups = list("123456"), ["g", "g", "g", "h", "h", "i"]
    log.frame(c.enqueue_more(grouped, [message(i) for i in grouped], groups=groups))
    log.frame(
        ac.run_all("aggregating", "g", 1), ac.archive_all("aggregating", "g", 9), ac.delete_all("aggregating", "h", 2)
    )
    log.frame(ac.run_all("aggregating", "", 1), ac.run_all("aggregating", "none", 1), ac.run_all("retry", "g", 1))
    log.session(name, credit=2)
    log.pass_s(40)
    return log.entries


def removed_control() -> list[Entry]:
    """The control journal, with queues that are removed and made again."""
    numbers = list(range(len(c.COUNTED)))
    told = c.counts("low", 0, 7, START_MS, numbers, is_paused=False, oldest_pending_since_ms=None)
    frames: list[list[c.Command]] = [
        [c.queue("default", 1), c.queue("low", 4), told],
        [ac.queue_gone("low"), ac.queue_gone("nobody"), [c.QUEUE_GONE], [c.QUEUE_GONE, 7]],
        [c.queue("low", 2), told],
        [ac.queue_gone("default")],
    ]
    return [
        (position, START_MS + 2_000 * position, True, encode_frame(b"w" * 16, position + 1, commands), ())
        for position, commands in enumerate(frames)
    ]


def control() -> list[Entry]:
    """The control journal."""
    frames: list[list[c.Command]] = [
        [c.queue("default", 1), c.queue("low", 4), c.queue("low", 5), c.queue("", 1)],
        [c.server("host:1", b"info", [("a", b"worker"), ("b", b"worker")], 20), c.cancel("a")],
        [c.server("host:2", b"info 2", [], 60), c.server_gone("nobody")],
        [
            c.server("host:1", b"info", [], 20),
            c.checkpointed(1, b"d" * 32, 0, b"t" * 16),
            c.checkpointed(0, b"d" * 32, 0, b"t" * 16),
        ],
        [c.enqueue(["a"], [b"m"]), c.server_gone("host:1")],
        [c.queue("late", 1)],
    ]
    return [
        (position, START_MS + 11_000 * position, True, encode_frame(b"w" * 16, position + 1, commands), ())
        for position, commands in enumerate(frames)
    ]


def told_control() -> list[Entry]:
    """The control journal, with what servers tell of their queues."""
    numbers = list(range(1, len(c.COUNTED) + 1))
    frames: list[list[c.Command]] = [
        [
            c.queue("default", 1),
            c.counts("default", 0, 7, START_MS, numbers, is_paused=False, oldest_pending_since_ms=None),
        ],
        [c.counts("low", 3, 9, START_MS, [*numbers, 99], is_paused=True, oldest_pending_since_ms=START_MS - 1)],
        [c.counts("default", 0, 8, START_MS + 1, numbers[::-1], is_paused=False, oldest_pending_since_ms=START_MS)],
        [c.counts("default", 0, 9, START_MS + 2, numbers[1:], is_paused=False, oldest_pending_since_ms=None)],
    ]
    return [
        (position, START_MS + 2_000 * position, True, encode_frame(b"w" * 16, position + 1, commands), ())
        for position, commands in enumerate(frames)
    ]


def scheduling() -> list[Entry]:
    """The control journal, with what schedulers tell and claim."""
    at_s = START_MS // 1_000
    frames: list[list[c.Command]] = [
        [sc.scheduler("host:1:s", [b"entry 1", b"entry 2"], 20), sc.scheduler("host:2:t", [], 60)],
        [
            sc.claim("hourly", at_s, "s", 5_000),
            sc.claim("hourly", at_s, "t", 5_000),
            sc.claim("daily", at_s, "t", 5_000),
        ],
        [
            sc.enqueued("e", b"event 1"),
            sc.fired("hourly", at_s),
            sc.fired("weekly", at_s),
            sc.enqueued("e", b"event 2"),
        ],
        [sc.claim("hourly", at_s, "t", 5_000), sc.claim("daily", at_s, "s", 5_000), sc.scheduler_gone("host:2:t")],
        [sc.enqueued("f", b"event"), sc.history_gone("e"), sc.claim("daily", at_s - 1_801, "s", 5_000)],
        [sc.scheduler("", [], 20), sc.claim("daily", at_s, "s", 0), [c.FIRED, "daily"], sc.enqueued("", b"event")],
    ]
    return [
        (position, START_MS + 7_000 * position, True, encode_frame(b"w" * 16, position + 1, commands), ())
        for position, commands in enumerate(frames)
    ]


def tokens_control() -> list[Entry]:
    """The control journal, with tokens that are taken, given back and forgotten."""
    at_s = START_MS // 1000
    frames: list[list[c.Command]] = [
        [take_token("mail", "a", 2, at_s + 3), take_token("mail", "b", 2, at_s + 60)],
        [take_token("mail", "c", 2, at_s + 60), take_token("maps", "a", 1, at_s + 60)],
        [return_token("mail", "b"), take_token("mail", "c", 2, at_s + 60), return_token("nothing", "b")],
        [take_token("mail", "d", 0, at_s + 60), take_token("mail", "a", 2, at_s + 90)],
        [take_token("mail", "e", 2, at_s + 60)],
        [take_token("mail", "f", 2, at_s + 60)],
    ]
    return [
        (position, START_MS + 1_000 * position, True, encode_frame(b"w" * 16, position + 1, commands), ())
        for position, commands in enumerate(frames)
    ]


# Of queues, and of control.
STORIES: dict[str, Callable[[], list[Entry]]] = {
    "work": work,
    "keeping": keeping,
    "activated": activated,
    "left": left,
    "operated": operated,
    "groups": groups,
    "control": control,
    "removed-control": removed_control,
    "told-control": told_control,
    "scheduling-control": scheduling,
    "tokens-control": tokens_control,
}
