"""How does a program hand over tasks?

Contract: thread-safe. What `enqueue` returns is stored as far as the broker promises it; many threads' calls travel together.
Not obvious: what is wrong with one task of `enqueue_many` stands in its place in the result and stops no other.
Source: asynq v0.26.0 `Client`; docs/semantics.md, "client".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack, assert_never

from asynq_compat.compose import EnqueueItem, compose, compose_many
from asynq_compat.connect import BrokerTarget, HeldBroker, clock_for, redis_client_opt
from asynq_compat.engine.enqueuer import Enqueuer
from asynq_compat.errors import (
    AsynqError,
    BrokerUnavailableError,
    DuplicateTaskError,
    InvalidArgumentError,
    ServerStateError,
    TaskIDConflictError,
)
from asynq_compat.options import Option, OptionKeywords, options_from_keywords
from asynq_compat.ports.producing import EnqueueOutcome, EnqueueRequest, EnqueueStatus
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.keywords import suggesting_fields
from asynq_compat.rules.limits import shown
from asynq_compat.task import Task, TaskInfo

if TYPE_CHECKING:
    from asynq_compat.context import Context  # imports asyncio, which is slow to import


@suggesting_fields
class Client:
    """Enqueues tasks. ``with Client(...) as client:`` closes it.

    Args:
        target: An option object, a URL, or a `Broker`, which is used as it was opened.
        clock: Who says what time it is.
        replica: Only says something on a journal. A task with a lock or an id of the caller's choice needs an answer from the queue. By
            default a server gives it, one round trip later, and the client reads the queue's journal itself only where no server lives.
            With True it follows the journal from the first such task on: quicker, at the price of the memory and the traffic of a server.
    """

    def __init__(self, target: BrokerTarget = None, *, clock: Clock | None = None, replica: bool = False) -> None:
        self._clock = clock_for(clock)
        self._held = HeldBroker(target, "Client", clock=clock, replica=replica)
        self._broker = self._held.broker
        self._enqueuer = Enqueuer(self._broker.producing)

    @classmethod
    def from_redis_client(cls, redis_client: object, *, clock: Clock | None = None) -> Self:
        """Make a client that talks to the Redis of a client of redis-py, as that one does (Go: NewClientFromRedisClient).

        Args:
            redis_client: A `redis.Redis`, a `redis.RedisCluster`, or what a `redis.Sentinel`'s ``master_for`` gave. It stays as it is.
            clock: Who says what time it is.

        Raises:
            InvalidArgumentError: It is no such client.
        """
        made = cls(redis_client_opt(redis_client), clock=clock)
        made._held.is_shared = True
        return made

    def enqueue(
        self, task: Task, *options: Option, context: Context | None = None, **keywords: Unpack[OptionKeywords]
    ) -> TaskInfo:
        """Store a task and return what is known about it.

        Args:
            task: The task.
            options: Overrule the task's own options; the last of a kind holds.
            context: Nothing is sent when it is over.
            keywords: The same options as keywords: ``queue="critical", process_in=60``.

        Raises:
            InvalidArgumentError: Something about the task or an option is wrong; nothing was sent.
            DuplicateTaskError: Another task holds the uniqueness lock.
            TaskIDConflictError: The id is taken in this queue, in whatever state.
            BrokerUnavailableError: No answer; `may_have_happened` says whether the task may be stored.
            ContextError: `context` is over.
        """
        self._held.check_open()
        request, info = compose(task, with_keywords(options, keywords), self._clock.now_ns())
        check_context(context)
        try:
            error = refusal(request, self._enqueuer.enqueue(request))
        except AsynqError as failure:
            error = failure
        if error is not None:
            raise self._said(error)
        return info

    def enqueue_context(
        self, context: Context, task: Task, *options: Option, **keywords: Unpack[OptionKeywords]
    ) -> TaskInfo:
        """Do what `enqueue` does, with Go's order of arguments."""
        return self.enqueue(task, *options, context=context, **keywords)

    def enqueue_many(
        self, items: Iterable[EnqueueItem], *options: Option, **keywords: Unpack[OptionKeywords]
    ) -> list[TaskInfo | AsynqError]:
        """Store many tasks in one batch.

        Args:
            items: Tasks, or tuples of a task and its options: ``[task, (task2, Queue("low"))]``.
            options: For all of them; an item's own options overrule them.
            keywords: The same as keywords.

        Returns:
            One entry per item, same order: what is known about the task, or the error why it is not stored.

        Raises:
            InvalidArgumentError: `items`, `options` or `keywords` are wrong; nothing was sent.
            BrokerUnavailableError: No answer for the whole batch; `may_have_happened` says whether tasks may be stored.
        """
        self._held.check_open()
        requests, results = compose_many(as_items(items), with_keywords(options, keywords), self._clock.now_ns())
        if not requests:
            return results
        try:
            outcomes = self._broker.producing.enqueue(requests)
        except AsynqError as failure:
            raise self._said(failure) from failure.__cause__
        results = told(requests, results, outcomes)
        if self._held.is_closed:
            return [self._said(one) if isinstance(one, AsynqError) else one for one in results]
        return results

    def ping(self) -> None:
        """Ask the broker whether it answers.

        Raises:
            BrokerUnavailableError: It does not.
        """
        self._held.check_open()
        self._broker.ping()

    def close(self) -> None:
        """Let go of the broker, unless it was passed in open. Legal twice.

        Raises:
            ServerStateError: It was made by `from_redis_client`; ``with`` lets go of it all the same.
        """
        self._held.close()

    def _said(self, error: AsynqError) -> AsynqError:
        """Return what a caller hears: what failed because another thread closed this client says that."""
        is_outage = isinstance(error, BrokerUnavailableError | ServerStateError)
        if not (self._held.is_closed and self._held.is_owner and is_outage) or getattr(
            error, "may_have_happened", False
        ):
            return error
        return ServerStateError("the client is closed, nothing was sent; make another Client")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.let_go()


new_client = Client  # Go: NewClient
new_client_from_redis_client = Client.from_redis_client  # Go: NewClientFromRedisClient


def with_keywords(options: tuple[Option, ...], keywords: OptionKeywords) -> tuple[Option, ...]:
    """Return the options and, behind them, those given as keywords."""
    return options + options_from_keywords(keywords) if keywords else options


def as_items(items: object) -> Sequence[EnqueueItem]:
    """Return what is to be enqueued as a sequence.

    Raises:
        InvalidArgumentError: It is a single task, or nothing that can be gone through.
    """
    if isinstance(items, list | tuple):
        return items
    if not isinstance(items, Iterable) or isinstance(items, str | bytes):
        raise InvalidArgumentError(
            f"enqueue_many takes a list of tasks, got {shown(items)}; write enqueue_many([task])"
        )
    return tuple(items)


def check_context(context: Context | None) -> None:
    """Refuse to go on when the caller's context is over.

    Raises:
        ContextError: It is over.
        InvalidArgumentError: It is no context.
    """
    if context is None:
        return
    from asynq_compat.context import Context  # imports asyncio, which is slow to import

    if not isinstance(context, Context):
        raise InvalidArgumentError(f"context must be a Context, got {shown(context)}; leave it out if there is none")
    if context.err is not None:
        raise context.err


def told(
    requests: Sequence[EnqueueRequest], results: list[TaskInfo | AsynqError], outcomes: Sequence[EnqueueOutcome]
) -> list[TaskInfo | AsynqError]:
    """Return `results` with the broker's refusals in the places of the requests that it refused."""
    if all(outcome is EnqueueStatus.ENQUEUED for outcome in outcomes):
        return results
    refusals = iter([refusal(request, outcome) for request, outcome in zip(requests, outcomes, strict=True)])
    return [result if isinstance(result, AsynqError) else next(refusals) or result for result in results]


def refusal(request: EnqueueRequest, outcome: EnqueueOutcome) -> AsynqError | None:
    """Return the error that tells a caller about an outcome; None when the task is stored."""
    if isinstance(outcome, AsynqError):
        return outcome
    match outcome:
        case EnqueueStatus.ENQUEUED:
            return None
        case EnqueueStatus.DUPLICATE:
            return DuplicateTaskError(queue=request.queue, task_id=request.task_id)
        case EnqueueStatus.ID_CONFLICT:
            return TaskIDConflictError(queue=request.queue, task_id=request.task_id)
        case _:
            assert_never(outcome)
