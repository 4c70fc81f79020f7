"""hibiken/asynq v0.26.0 in Python: `import asynq_compat as asynq`.

`Client` hands over tasks, `Server` runs them through a `ServeMux`, `Inspector` looks at queues. The same program runs on Redis beside Go
processes, on a SQLite file, and on Redpanda or Kafka.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asynq_compat.aio import AsyncClient
    from asynq_compat.client import (
        Client,
        new_client,
        new_client_from_redis_client,
    )
    from asynq_compat.config import (
        Config,
        ErrorHandlerFunc,
        GroupAggregatorFunc,
        RetryDelayFunc,
        default_retry_delay_func,
    )
    from asynq_compat.config import (
        SupportsAggregate as GroupAggregator,
    )
    from asynq_compat.config import (
        SupportsHandleError as ErrorHandler,
    )
    from asynq_compat.context import (
        Context,
        get_max_retry,
        get_queue_name,
        get_retry_count,
        get_task_id,
    )
    from asynq_compat.engine.failures import is_panic_error
    from asynq_compat.errors import (
        AsynqError,
        BrokerUnavailableError,
        ConflictError,
        ContextCanceledError,
        ContextDeadlineError,
        ContextError,
        CorruptDataError,
        DuplicateTaskError,
        HandlerNotFoundError,
        InvalidArgumentError,
        InvalidPatternError,
        LeaseExpiredError,
        MachineVersionError,
        NewerReleaseError,
        NotFoundError,
        PanicError,
        PayloadTooLargeError,
        QueueNotEmptyError,
        QueueNotFoundError,
        QueueStateError,
        RevokeTask,
        ServerClosedError,
        ServerStateError,
        SkipRetry,
        TaskIDConflictError,
        TaskNotFoundError,
        TaskStateError,
        UnsupportedByBroker,
        WorkerProcessError,
    )
    from asynq_compat.errors import (
        DuplicateTaskError as ErrDuplicateTask,
    )
    from asynq_compat.errors import (
        HandlerNotFoundError as ErrHandlerNotFound,
    )
    from asynq_compat.errors import (
        LeaseExpiredError as ErrLeaseExpired,
    )
    from asynq_compat.errors import (
        QueueNotEmptyError as ErrQueueNotEmpty,
    )
    from asynq_compat.errors import (
        QueueNotFoundError as ErrQueueNotFound,
    )
    from asynq_compat.errors import (
        ServerClosedError as ErrServerClosed,
    )
    from asynq_compat.errors import (
        TaskIDConflictError as ErrTaskIDConflict,
    )
    from asynq_compat.errors import (
        TaskNotFoundError as ErrTaskNotFound,
    )
    from asynq_compat.infos import (
        ClusterNode,
        DailyStats,
        GroupInfo,
        SchedulerEnqueueEvent,
        SchedulerEntry,
        ServerInfo,
        WorkerInfo,
    )
    from asynq_compat.inspector import (
        Inspector,
        new_inspector,
        new_inspector_from_redis_client,
    )
    from asynq_compat.listing import (
        ListOption,
        Page,
        PageSize,
    )
    from asynq_compat.logger import (
        DebugLevel,
        ErrorLevel,
        FatalLevel,
        InfoLevel,
        Logger,
        LogLevel,
        WarnLevel,
    )
    from asynq_compat.metrics.collector import (
        QueueMetricsCollector,
        new_queue_metrics_collector,
    )
    from asynq_compat.metrics.tracing import (
        Tracing,
    )
    from asynq_compat.options import (
        Deadline,
        DeadlineOpt,
        Group,
        GroupOpt,
        MaxRetry,
        MaxRetryOpt,
        Option,
        OptionType,
        ProcessAt,
        ProcessAtOpt,
        ProcessIn,
        ProcessInOpt,
        Queue,
        QueueOpt,
        Retention,
        RetentionOpt,
        TaskID,
        TaskIDOpt,
        Timeout,
        TimeoutOpt,
        Unique,
        UniqueOpt,
    )
    from asynq_compat.periodic import (
        PeriodicTaskConfig,
        PeriodicTaskConfigProvider,
        PeriodicTaskManager,
        PeriodicTaskManagerOpts,
        new_periodic_task_manager,
    )
    from asynq_compat.ports.inspecting import (
        QueueInfo,
    )
    from asynq_compat.rules.task_state import (
        TaskState,
    )
    from asynq_compat.scheduler import (
        Scheduler,
        new_scheduler,
        new_scheduler_from_redis_client,
    )
    from asynq_compat.scheduler_opts import (
        SchedulerOpts,
    )
    from asynq_compat.semaphore import (
        Semaphore,
        new_semaphore,
    )
    from asynq_compat.servemux import (
        Handler,
        HandlerFunc,
        MiddlewareFunc,
        ServeMux,
        new_serve_mux,
        not_found,
        not_found_handler,
    )
    from asynq_compat.server import (
        Server,
        new_server,
        new_server_from_redis_client,
    )
    from asynq_compat.targets import (
        EmbeddedOpt,
        MemoryOpt,
        RedisClientOpt,
        RedisClusterClientOpt,
        RedisConnOpt,
        RedisFailoverClientOpt,
        RedpandaOpt,
        TLSConfig,
        parse_redis_uri,
    )
    from asynq_compat.task import (
        ResultWriter,
        Task,
        TaskInfo,
        TaskStateActive,
        TaskStateAggregating,
        TaskStateArchived,
        TaskStateCompleted,
        TaskStatePending,
        TaskStateRetry,
        TaskStateScheduled,
        new_task,
        new_task_with_headers,
    )

__version__ = "0.1.0"

# fmt: off
__all__ = [
    "__version__",
    # task
    "Task", "TaskInfo", "ResultWriter", "new_task", "new_task_with_headers", "TaskStateActive", "TaskStatePending",
    "TaskStateScheduled", "TaskStateRetry", "TaskStateArchived", "TaskStateCompleted", "TaskStateAggregating",
    # task_state
    "TaskState",
    # options
    "Option", "OptionType", "MaxRetry", "Queue", "TaskID", "Timeout", "Deadline", "Unique", "ProcessAt",
    "ProcessIn", "Retention", "Group", "MaxRetryOpt", "QueueOpt", "TimeoutOpt", "DeadlineOpt", "UniqueOpt",
    "ProcessAtOpt", "ProcessInOpt", "TaskIDOpt", "RetentionOpt", "GroupOpt",
    # client
    "Client", "new_client", "new_client_from_redis_client",
    # aio
    "AsyncClient",
    # inspector
    "Inspector", "new_inspector", "new_inspector_from_redis_client",
    # infos
    "GroupInfo", "DailyStats", "ServerInfo", "WorkerInfo", "ClusterNode", "SchedulerEntry", "SchedulerEnqueueEvent",
    # listing
    "ListOption", "PageSize", "Page",
    # metrics.collector
    "QueueMetricsCollector", "new_queue_metrics_collector",
    # metrics.tracing
    "Tracing",
    # ports.inspecting
    "QueueInfo",
    # targets
    "RedisConnOpt", "RedisClientOpt", "RedisFailoverClientOpt", "RedisClusterClientOpt", "RedpandaOpt",
    "EmbeddedOpt", "MemoryOpt", "TLSConfig", "parse_redis_uri",
    # semaphore
    "Semaphore", "new_semaphore",
    # servemux
    "ServeMux", "new_serve_mux", "Handler", "HandlerFunc", "MiddlewareFunc", "not_found", "not_found_handler",
    # config
    "Config", "ErrorHandlerFunc", "GroupAggregatorFunc", "RetryDelayFunc", "default_retry_delay_func",
    # logger
    "Logger", "LogLevel", "DebugLevel", "InfoLevel", "WarnLevel", "ErrorLevel", "FatalLevel",
    # context
    "Context", "get_task_id", "get_retry_count", "get_max_retry", "get_queue_name",
    # errors
    "AsynqError", "InvalidArgumentError", "PayloadTooLargeError", "InvalidPatternError", "ConflictError",
    "DuplicateTaskError", "TaskIDConflictError", "TaskStateError", "QueueStateError", "QueueNotEmptyError",
    "MachineVersionError", "LeaseExpiredError", "ServerStateError", "ServerClosedError", "NotFoundError", "QueueNotFoundError",
    "TaskNotFoundError", "HandlerNotFoundError", "UnsupportedByBroker", "BrokerUnavailableError",
    "CorruptDataError", "NewerReleaseError", "PanicError", "ContextError", "ContextCanceledError", "ContextDeadlineError", "SkipRetry",
    "RevokeTask", "WorkerProcessError",
    # server
    "Server", "new_server", "new_server_from_redis_client",
    # scheduler
    "Scheduler", "SchedulerOpts", "new_scheduler", "new_scheduler_from_redis_client",
    # periodic
    "PeriodicTaskManager", "PeriodicTaskManagerOpts", "PeriodicTaskConfig", "PeriodicTaskConfigProvider",
    "new_periodic_task_manager",
    # failures
    "is_panic_error",
    # other spellings
    "ErrorHandler", "GroupAggregator", "ErrDuplicateTask", "ErrTaskIDConflict", "ErrQueueNotFound",
    "ErrQueueNotEmpty", "ErrTaskNotFound", "ErrServerClosed", "ErrLeaseExpired", "ErrHandlerNotFound",
]
# fmt: on

# A name is imported when it is first asked for, so that a program pays only for what it uses.
_ALIASES = {
    "ErrorHandler": ("config", "SupportsHandleError"),
    "GroupAggregator": ("config", "SupportsAggregate"),
    "ErrDuplicateTask": ("errors", "DuplicateTaskError"),
    "ErrTaskIDConflict": ("errors", "TaskIDConflictError"),
    "ErrQueueNotFound": ("errors", "QueueNotFoundError"),
    "ErrQueueNotEmpty": ("errors", "QueueNotEmptyError"),
    "ErrTaskNotFound": ("errors", "TaskNotFoundError"),
    "ErrServerClosed": ("errors", "ServerClosedError"),
    "ErrLeaseExpired": ("errors", "LeaseExpiredError"),
    "ErrHandlerNotFound": ("errors", "HandlerNotFoundError"),
}
_HOMES = {
    "task": (
        "Task TaskInfo ResultWriter new_task new_task_with_headers TaskStateActive TaskStatePending "
        "TaskStateScheduled TaskStateRetry TaskStateArchived TaskStateCompleted TaskStateAggregating"
    ),
    "rules.task_state": "TaskState",
    "options": (
        "Option OptionType MaxRetry Queue TaskID Timeout Deadline Unique ProcessAt ProcessIn Retention Group "
        "MaxRetryOpt QueueOpt TimeoutOpt DeadlineOpt UniqueOpt ProcessAtOpt ProcessInOpt TaskIDOpt "
        "RetentionOpt GroupOpt"
    ),
    "client": "Client new_client new_client_from_redis_client",
    "aio": "AsyncClient",
    "inspector": "Inspector new_inspector new_inspector_from_redis_client",
    "infos": "GroupInfo DailyStats ServerInfo WorkerInfo ClusterNode SchedulerEntry SchedulerEnqueueEvent",
    "listing": "ListOption PageSize Page",
    "metrics.collector": "QueueMetricsCollector new_queue_metrics_collector",
    "metrics.tracing": "Tracing",
    "ports.inspecting": "QueueInfo",
    "targets": (
        "RedisConnOpt RedisClientOpt RedisFailoverClientOpt RedisClusterClientOpt RedpandaOpt EmbeddedOpt "
        "MemoryOpt TLSConfig parse_redis_uri"
    ),
    "semaphore": "Semaphore new_semaphore",
    "servemux": "ServeMux new_serve_mux Handler HandlerFunc MiddlewareFunc not_found not_found_handler",
    "config": "Config ErrorHandlerFunc GroupAggregatorFunc RetryDelayFunc default_retry_delay_func",
    "logger": "Logger LogLevel DebugLevel InfoLevel WarnLevel ErrorLevel FatalLevel",
    "context": "Context get_task_id get_retry_count get_max_retry get_queue_name",
    "errors": (
        "AsynqError InvalidArgumentError PayloadTooLargeError InvalidPatternError ConflictError "
        "DuplicateTaskError TaskIDConflictError TaskStateError QueueStateError QueueNotEmptyError "
        "MachineVersionError LeaseExpiredError ServerStateError ServerClosedError NotFoundError QueueNotFoundError "
        "TaskNotFoundError HandlerNotFoundError UnsupportedByBroker BrokerUnavailableError CorruptDataError NewerReleaseError "
        "PanicError ContextError ContextCanceledError ContextDeadlineError SkipRetry RevokeTask WorkerProcessError"
    ),
    "server": "Server new_server new_server_from_redis_client",
    "scheduler": "Scheduler new_scheduler new_scheduler_from_redis_client",
    "scheduler_opts": "SchedulerOpts",
    "periodic": (
        "PeriodicTaskManager PeriodicTaskManagerOpts PeriodicTaskConfig PeriodicTaskConfigProvider new_periodic_task_manager"
    ),
    "engine.failures": "is_panic_error",
}
_HOME_OF = {name: (module, name) for module, names in _HOMES.items() for name in names.split()} | _ALIASES
_PARTS = frozenset({"aio", "errors", "testing", "wire"})


if TYPE_CHECKING:
    from asynq_compat import aio as aio
    from asynq_compat import errors as errors
    from asynq_compat import testing as testing
    from asynq_compat import wire as wire
else:  # Unseen by type checkers, so that they tell a misspelt name.

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is not None:
            value = getattr(importlib.import_module(f"asynq_compat.{home[0]}"), home[1])
            globals()[name] = value
            return value
        if name in _PARTS:
            return importlib.import_module(f"asynq_compat.{name}")
        raise AttributeError(f"module 'asynq_compat' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
