"""Which errors does a user of this package meet, and what can they do about each?

::

    AsynqError
    ├── InvalidArgumentError(ValueError)     your input; nothing was sent           → correct it
    │   ├── PayloadTooLargeError             larger than the broker takes
    │   └── InvalidPatternError              a ServeMux pattern: blank, or registered twice
    ├── ConflictError                        the queue's state says no              → the message says what stands there
    │   ├── DuplicateTaskError               the uniqueness lock is held            (Go: ErrDuplicateTask)
    │   ├── TaskIDConflictError              the id is taken, in whatever state     (Go: ErrTaskIDConflict)
    │   ├── TaskStateError                   the task is in a state that forbids it
    │   ├── QueueStateError                  paused already, or not paused
    │   ├── QueueNotEmptyError                                                     (Go: ErrQueueNotEmpty)
    │   ├── MachineVersionError              a journal's machine version cannot hold there now
    │   ├── LeaseExpiredError                another worker may have the task now   (Go: ErrLeaseExpired)
    │   └── ServerStateError                 a server or client used in the wrong state of its life
    │       └── ServerClosedError                                                  (Go: ErrServerClosed)
    ├── NotFoundError(LookupError)           no such queue, task, handler           → check the name
    │   ├── QueueNotFoundError                                                     (Go: ErrQueueNotFound)
    │   ├── TaskNotFoundError                                                      (Go: ErrTaskNotFound)
    │   └── HandlerNotFoundError                                                   (Go: ErrHandlerNotFound)
    ├── UnsupportedByBroker                  this broker cannot; says which can     → choose another
    ├── BrokerUnavailableError               outage; says if it may have happened   → try again
    ├── CorruptDataError                     bytes we cannot read; says where       → report
    │   └── NewerReleaseError                a later release wrote them             → upgrade this process
    ├── WorkerProcessError                   a worker process died, or cannot import the program
    ├── PanicError                           the outcome of a handler that panicked
    ├── ContextError                         a handler's context is over
    │   ├── ContextCanceledError             cancelled by id, or its worker ended    (Go: context.Canceled)
    │   └── ContextDeadlineError(TimeoutError)   its deadline has passed             (Go: context.DeadlineExceeded)
    ├── SkipRetry                            raised by a handler: archive at once   (Go: SkipRetry)
    └── RevokeTask                           raised by a handler: drop the task     (Go: RevokeTask)

Contract: data stands in attributes too, so that nobody parses text. No redis, Kafka or SQLite exception reaches a user.
Not obvious: parents answer "what can I do?", not "who raised it?".
"""

from __future__ import annotations


class AsynqError(Exception):
    """The root of every error of this package."""


class InvalidArgumentError(AsynqError, ValueError):
    """An argument is wrong; nothing was sent. Correct it."""


def remedied(go_text: str, remedy: str) -> InvalidArgumentError:
    """Return an error in Go's very words, with what to do in a note: a traceback shows it."""
    error = InvalidArgumentError(go_text)
    error.add_note(remedy)
    return error


def with_remedy(error: InvalidArgumentError) -> str:
    """Return what an error says, its notes included, in one line."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


class PayloadTooLargeError(InvalidArgumentError):
    """The encoded task is larger than the broker takes; the message names both sizes."""

    def __init__(self, message: str, *, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(message)
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class InvalidPatternError(InvalidArgumentError):
    """A ServeMux pattern is blank, registered twice, or has no handler; or what should handle tasks cannot be called for it."""


class ConflictError(AsynqError):
    """The state of the queue, task or server says no."""


class DuplicateTaskError(ConflictError):
    """Another task holds the uniqueness lock (Go: ErrDuplicateTask)."""

    def __init__(self, message: str = "task already exists", *, queue: str = "", task_id: str = "") -> None:
        super().__init__(message)
        self.queue = queue
        self.task_id = task_id


class TaskIDConflictError(ConflictError):
    """The task id is taken in this queue, in whatever state (Go: ErrTaskIDConflict)."""

    def __init__(
        self, message: str = "task ID conflicts with another task", *, queue: str = "", task_id: str = ""
    ) -> None:
        super().__init__(message)
        self.queue = queue
        self.task_id = task_id


class TaskStateError(ConflictError):
    """The task is in a state that forbids the operation (Go: FAILED_PRECONDITION)."""


class QueueStateError(ConflictError):
    """The queue is paused already, or is not paused."""


class QueueNotEmptyError(ConflictError):
    """The queue still holds tasks (Go: ErrQueueNotEmpty)."""


class MachineVersionError(ConflictError):
    """A machine version cannot hold on a journal: a live server does not know it, nobody serves there, or a later one holds.

    Attributes:
        version: The one that was asked for.
        servers: Those that are behind: host, process and id where known.
    """

    def __init__(self, message: str, *, version: int, servers: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.version = version
        self.servers = servers


class LeaseExpiredError(ConflictError):
    """The lease of a task is over: another worker may have it now (Go: ErrLeaseExpired)."""

    def __init__(self, message: str = "asynq: task lease expired") -> None:
        super().__init__(message)


class ServerStateError(ConflictError):
    """The object is in a state of its life in which this call makes no sense."""


class ServerClosedError(ServerStateError):
    """The server was shut down (Go: ErrServerClosed)."""

    def __init__(self, message: str = "asynq: Server closed") -> None:
        super().__init__(message)


class NotFoundError(AsynqError, LookupError):
    """No such queue, task or handler."""


class QueueNotFoundError(NotFoundError):
    """No such queue (Go: ErrQueueNotFound)."""


class TaskNotFoundError(NotFoundError):
    """No such task in this queue (Go: ErrTaskNotFound)."""


class HandlerNotFoundError(NotFoundError):
    """No handler is registered for the type of a task (Go: ErrHandlerNotFound)."""


class UnsupportedByBroker(AsynqError):
    """This broker cannot honour the request; the message names one that can."""


class BrokerUnavailableError(AsynqError):
    """The broker did not answer, or refuses to work.

    Attributes:
        may_have_happened: True when the request may have taken effect although no answer came.
    """

    def __init__(self, message: str, *, may_have_happened: bool = False) -> None:
        super().__init__(message)
        self.may_have_happened = may_have_happened


class CorruptDataError(AsynqError):
    """Stored bytes cannot be read; the message says where they stand."""


class NewerReleaseError(CorruptDataError):
    """What a later release wrote cannot be read by this one. Upgrade this process."""


class WorkerProcessError(AsynqError):
    """A process that runs handlers for a server (``Config(processes=N)``) died, or cannot import the program.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, message: str, *, pid: int = 0) -> None:
        super().__init__(message)
        self.pid = pid


class PanicError(AsynqError):
    """A handler ended in what corresponds to a Go panic; the text begins ``panic error cause by: ``."""


class ContextError(AsynqError):
    """The context of a handler is over; the handler should stop."""


class ContextCanceledError(ContextError):
    """The context was cancelled: by the task's id, or because its worker ended (Go: context.Canceled)."""

    def __init__(self, message: str = "context canceled") -> None:
        super().__init__(message)


class ContextDeadlineError(ContextError, TimeoutError):
    """The deadline of the context has passed (Go: context.DeadlineExceeded)."""

    def __init__(self, message: str = "context deadline exceeded") -> None:
        super().__init__(message)


class SkipRetry(AsynqError):
    """Raised by a handler: archive the task now, whatever retries are left (Go: SkipRetry)."""

    def __init__(self, message: str = "skip retry for the task") -> None:
        super().__init__(message)


class RevokeTask(AsynqError):
    """Raised by a handler: drop the task now, without retry, archive or retention (Go: RevokeTask)."""

    def __init__(self, message: str = "revoke task") -> None:
        super().__init__(message)
