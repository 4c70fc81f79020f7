"""Does the machine agree with a model that was written without a thought for speed?"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from tests.unit.machine import model as m
from tests.unit.machine.log import START_MS, Log, message

IDS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=5)
STEP_MS = st.sampled_from([0, 0, 0, 1, 400, 999, 2_500, 7_000, 15_000])
WRITER = "server"


ALLOWED = {
    c.RUN_ALL: (m.SCHEDULED, m.RETRY, m.ARCHIVED),
    c.ARCHIVE_ALL: (m.PENDING, m.SCHEDULED, m.RETRY),
    c.DELETE_ALL: (m.PENDING, m.SCHEDULED, m.RETRY, m.ARCHIVED, m.COMPLETED),
}


class Agreement(RuleBasedStateMachine):
    """The same commands for both."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.model = m.Model(START_MS)

    def pass_ms(self, step_ms: int) -> None:
        self.log.now_ms += step_ms
        self.model.pass_ms(step_ms)

    def say(self, *commands: c.Command) -> object:
        outcome = self.log.say(*commands, writer=WRITER)
        self.model.assign(self.log.position)
        return outcome

    def hear(self, name: int, credit: int = 0, mark: tuple[int, int] = (0, 0)) -> c.Command:
        member = self.model.members[name]
        member.heard_ms, member.owes_ms = self.model.lease_ms, None
        member.credit = max(member.credit + credit, 0)
        member.mark = max(member.mark, mark)
        return c.session(name, *mark, credit)

    def pick(self, data: st.DataObject) -> tuple[int, list[m.Record]] | None:
        """A session, and a stretch of what it holds."""
        name = data.draw(st.sampled_from(sorted(self.model.members)))
        held = self.model.held(name)
        if not held:
            return None
        first = data.draw(st.sampled_from(held))
        same = [r for r in held if r.place[1] == first.place[1] and r.place[2] >= first.place[2]]
        stretch = [r for offset, r in enumerate(same) if r.place[2] == first.place[2] + offset]
        return name, stretch[: data.draw(st.integers(1, 3))]

    @rule(step_ms=STEP_MS, ids=IDS)
    def enqueue(self, step_ms: int, ids: list[str]) -> None:
        self.pass_ms(step_ms)
        codes = [self.model.enqueue(task_id, None, "", 0) for task_id in ids]
        outcome = self.say(c.enqueue(ids, [message(task_id) for task_id in ids]))
        assert outcome == (codes if any(codes) else 0)

    @rule(
        step_ms=STEP_MS,
        ids=IDS,
        delay_s=st.integers(-1, 4),
        key=st.sampled_from(["", "k", "l"]),
        ttl_s=st.integers(1, 9),
    )
    def enqueue_more(self, step_ms: int, ids: list[str], delay_s: int, key: str, ttl_s: int) -> None:
        self.pass_ms(step_ms)
        at = self.model.clock_ms // 1000 + delay_s
        due = [at if index % 2 else None for index in range(len(ids))]
        codes = [self.model.enqueue(i, d, key, ttl_s) for i, d in zip(ids, due, strict=True)]
        keys = [key or None] * len(ids)
        ttls = [ttl_s if key else None] * len(ids)
        messages = [message(task_id) for task_id in ids]
        outcome = self.say(c.enqueue_more(ids, messages, process_at=due, unique_keys=keys, unique_ttls=ttls))
        assert outcome == (codes if any(codes) else 0)

    @rule(step_ms=STEP_MS, credit=st.integers(0, 5))
    def open(self, step_ms: int, credit: int) -> None:
        self.pass_ms(step_ms)
        name = self.log.position + 1
        self.model.members[name] = m.Member(name, credit, self.model.lease_ms)
        assert self.say(c.open_session("s", 9, credit)) == 0

    @precondition(lambda self: self.model.members)
    @rule(step_ms=STEP_MS, data=st.data(), credit=st.integers(-2, 5))
    def renew(self, step_ms: int, data: st.DataObject, credit: int) -> None:
        self.pass_ms(step_ms)
        if self.model.members:
            name = data.draw(st.sampled_from(sorted(self.model.members)))
            places = [record.place[1:] for record in self.model.held(name)]
            mark = data.draw(st.sampled_from([(0, 0), *((at, index + 1) for at, index in places)]))
            assert self.say(self.hear(name, credit, mark)) == 0
        else:
            self.say(c.tick())

    @precondition(lambda self: self.model.members)
    @rule(step_ms=STEP_MS, data=st.data())
    def close(self, step_ms: int, data: st.DataObject) -> None:
        self.pass_ms(step_ms)
        if self.model.members:
            name = data.draw(st.sampled_from(sorted(self.model.members)))
            self.model.end(self.model.members[name], counts_returns=False)
            assert self.say(c.close_session(name)) == 0
        else:
            self.say(c.tick())

    @precondition(lambda self: self.model.ids(m.ACTIVE))
    @rule(
        step_ms=st.sampled_from([0, 1, 2_500]),
        data=st.data(),
        kind=st.sampled_from(["done", "keep", "front", "back", "retry", "archive"]),
    )
    def settle(self, step_ms: int, data: st.DataObject, kind: str) -> None:
        self.pass_ms(step_ms)
        picked = self.pick(data) if self.model.members else None
        if picked is None:
            self.say(c.tick())
            return
        name, stretch = picked
        _, at, lo = stretch[0].place
        hi = lo + len(stretch)
        renewed = self.hear(name)
        command = {
            "done": c.settle_done([(at, lo, hi)]),
            "keep": c.settle_complete([(at, lo, hi, 3)]),
            "front": c.settle_requeue([(at, lo, hi)]),
            "back": c.hand_back([(at, lo, hi)]),
            "retry": c.settle_retry([(at, i, 2_500, "e", 1) for i in range(lo, hi)]),
            "archive": c.settle_archive([(at, i, "e") for i in range(lo, hi)]),
        }[kind]
        for record in stretch:
            self.settle_one(record, kind)
        assert self.say(renewed, command) == 0
        # Once more: it is not held any more, whatever became of it; unless it was given to the same session again.
        if not any(record in self.model.held(name) for record in stretch):
            self.pass_ms(0)
            assert self.say(self.hear(name), command) in ([c.STALE], [c.STALE] * len(stretch))

    def settle_one(self, record: m.Record, kind: str) -> None:
        now_s = self.model.clock_ms // 1000
        self.model.processed += kind in ("done", "keep", "retry", "archive")
        self.model.failed += kind in ("retry", "archive")
        if kind == "done":
            self.model.drop(record)
        elif kind == "keep":
            self.model.unlock(record)
            self.model.leave(record, m.COMPLETED, now_s + 3)
        elif kind == "front":
            self.model.front_ordinal -= 1
            record.state, record.ordinal = m.PENDING, self.model.front_ordinal
        elif kind == "back":
            record.state = m.PENDING
        elif kind == "retry":
            self.model.leave(record, m.RETRY, (self.model.clock_ms + 2_500) // 1000)
        else:
            self.model.leave(record, m.ARCHIVED, now_s)

    @precondition(lambda self: self.model.orphans())
    @rule(data=st.data())
    def recover(self, data: st.DataObject) -> None:
        self.pass_ms(0)
        record = data.draw(st.sampled_from(sorted(self.model.orphans(), key=lambda r: r.task_id)))
        command = c.recover_retry([(*record.place, 2_500, "lease", 1)])
        self.settle_one(record, "retry")
        assert self.say(command) == 0

    @rule(step_ms=STEP_MS, ids=IDS, code=st.sampled_from([c.RUN, c.ARCHIVE, c.DELETE]))
    def administer(self, step_ms: int, ids: list[str], code: int) -> None:
        self.pass_ms(step_ms)
        codes = [self.administer_one(task_id, code) for task_id in ids]
        assert self.say([code, ids]) == (codes if any(codes) else 0)

    def administer_one(self, task_id: str, code: int) -> int:
        record = self.model.tasks.get(task_id)
        if record is None:
            return c.NO_SUCH_TASK
        if record.state == m.ACTIVE:
            return c.IS_ACTIVE
        if code == c.DELETE:
            self.model.drop(record)
        elif code == c.RUN:
            if record.state == m.PENDING:
                return c.IS_PENDING
            self.model.append(record)
        else:
            if record.state == m.ARCHIVED:
                return c.IS_ARCHIVED
            record.state, record.due_s = m.ARCHIVED, self.model.clock_ms // 1000
        return 0

    @rule(
        step_ms=STEP_MS,
        state=st.sampled_from([m.PENDING, m.SCHEDULED, m.RETRY, m.ARCHIVED, m.COMPLETED]),
        code=st.sampled_from([c.RUN_ALL, c.ARCHIVE_ALL, c.DELETE_ALL]),
        count=st.integers(1, 4),
    )
    def change_all(self, step_ms: int, state: str, code: int, count: int) -> None:
        self.pass_ms(step_ms)
        if state not in ALLOWED[code]:
            assert self.say([code, state, "", count]) == [c.REJECTED]
            return
        records = self.model.first(state, count)
        for record in records:
            if code == c.RUN_ALL:
                self.model.append(record)
            elif code == c.ARCHIVE_ALL:
                record.state, record.due_s = m.ARCHIVED, self.model.clock_ms // 1000
            else:
                self.model.drop(record)
        assert self.say([code, state, "", count]) == [c.OK, len(records)]

    @rule(step_ms=STEP_MS, force=st.booleans())
    def remove_queue(self, step_ms: int, force: bool) -> None:
        self.pass_ms(step_ms)
        tasks = self.model.tasks
        if tasks and not force:
            wanted = [c.IS_NOT_EMPTY]
        elif self.model.ids(m.ACTIVE):
            wanted = [c.IS_ACTIVE]
        else:
            wanted = [c.OK, len(tasks)]
            self.model.remove()
        assert self.say([c.REMOVE_QUEUE, force]) == wanted

    @rule(is_paused=st.booleans())
    def pause(self, is_paused: bool) -> None:
        self.pass_ms(0)
        refusal = [c.IS_PAUSED] if is_paused else [c.IS_NOT_PAUSED]
        wanted = 0 if self.model.is_paused != is_paused else refusal
        self.model.is_paused = is_paused
        assert self.say(c.pause() if is_paused else c.unpause()) == wanted

    @invariant()
    def both_agree(self) -> None:
        machine, model = self.log.machine, self.model
        for state in (m.PENDING, m.ACTIVE, m.SCHEDULED, m.RETRY, m.ARCHIVED, m.COMPLETED):
            assert self.log.ids(TaskState.parse(state)) == model.ids(state), state
        assert [(s.session, s.credit) for s in machine.sessions()] == [(n, s.credit) for n, s in model.members.items()]
        assert {o.task_id for o in machine.orphans(0)} == {r.task_id for r in model.orphans()}
        assert [machine.lock_holder(key) for key in "kl"] == [model.locks.get(key, (None,))[0] for key in "kl"]
        counts = machine.counts()
        assert (counts.processed, counts.failed) == (model.processed, model.failed)

    def teardown(self) -> None:
        assert self.log.replayed().digest() == self.log.machine.digest()


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
