"""How do a scheduler's entries follow what a provider says?

Contract: registers what is new and unregisters what is gone, at the start and once in each interval. A provider that does not return is
waited for for 8 s at the end; what it gives later is nobody's affair.
Source: asynq v0.26.0 `PeriodicTaskManager`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from asynq_compat.engine.service import Service
from asynq_compat.errors import AsynqError, InvalidArgumentError
from asynq_compat.options import Option
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.rules.limits import shown
from asynq_compat.task import Task

_PATIENCE_S = 8.0


class Config(Protocol):
    """One periodic task, as the provider gives it."""

    @property
    def cronspec(self) -> str:
        """When."""

    @property
    def task(self) -> Task:
        """What is enqueued."""

    @property
    def opts(self) -> Sequence[Option]:
        """Overrule the task's own options."""

    def hash(self) -> str:
        """Return what Go takes it for."""


class Registry(Protocol):
    """What is asked of a `Scheduler`."""

    def register(self, cronspec: str, task: Task, *options: Option) -> str:
        """Enqueue a task from now on; return the entry's id."""

    def unregister(self, entry_id: str) -> None:
        """Enqueue it no more."""


_C = TypeVar("_C", bound=Config)


class Syncer(Service, Generic[_C]):
    """Keeps a scheduler in step with a provider. `run_once` asks once.

    Args:
        get_configs: The provider.
        refusal: Says what is wrong with the first config that is none; "" when all are in order.
        scheduler: Has the entries.
        interval_s: How often the provider is asked.
        log: Takes the lines.
    """

    def __init__(
        self,
        get_configs: Callable[[], Sequence[_C]],
        refusal: Callable[[Sequence[object]], str],
        scheduler: Registry,
        interval_s: float,
        log: logging.Logger,
    ) -> None:
        super().__init__("syncer", log, first_wait_s=interval_s, patience_s=_PATIENCE_S)
        self._get_configs = get_configs
        self._refusal = refusal
        self._scheduler = scheduler
        self._interval_s = interval_s
        # By what a config is; owned by the thread, and by who calls `follow` before it starts.
        self._entry_ids: dict[str, str] = {}

    def first(self) -> Sequence[_C]:
        """Return what the provider says; raises what `run_once` logs."""
        try:
            configs = list(self._get_configs())
        except Exception as error:
            raise InvalidArgumentError(f"asynq: initial call to GetConfigs failed: {error}") from error
        refusal = self._refusal(configs)
        if refusal:
            raise InvalidArgumentError(f"asynq: initial call to GetConfigs contained an invalid config: {refusal}")
        return configs

    def run_once(self) -> float:
        """Ask the provider and follow it; return how long to wait until the next time."""
        try:
            configs = list(self._get_configs())
        except Exception as error:  # noqa: BLE001 - the user's code
            self.log.error("Failed to get periodic task configs: %s", error)
            return self._interval_s
        if self.stopping.is_set():
            return self._interval_s
        refusal = self._refusal(configs)
        if refusal:
            self.log.error("Failed to sync: GetConfigs returned an invalid config: %s", refusal)
        else:
            self.follow(configs)
        return self._interval_s

    def stop(self) -> None:
        """Ask no more, and wait for the provider if it was asked. Legal twice."""
        super().stop()
        if self.is_running:
            self.log.error("GetConfigs has not returned for %g s: the scheduler ends without it", _PATIENCE_S)

    def follow(self, configs: Sequence[_C]) -> None:
        """Register what is new, unregister what is gone."""
        wanted = {_identity(config): config for config in configs}
        for identity in self._entry_ids.keys() - wanted.keys():
            entry_id = self._entry_ids.pop(identity)
            self._scheduler.unregister(entry_id)
            self.log.info("Successfully unregistered periodic task: entryID=%s", entry_id)
        for identity, config in wanted.items():
            if identity not in self._entry_ids:
                self._register(identity, config)

    def _register(self, identity: str, config: _C) -> None:
        what = f"cronspec={go_quoted(config.cronspec)} task={go_quoted(config.task.type)}"
        try:
            entry_id = self._scheduler.register(config.cronspec, config.task, *config.opts)
        except AsynqError as error:
            self.log.error("Failed to register periodic task: %s err=%s", what, error)
            return
        self._entry_ids[identity] = entry_id
        self.log.info("Successfully registered periodic task: %s, entryID=%s", what, entry_id)


def _identity(config: Config) -> str:
    """Return what a config is here: what it is to Go, and the task's headers and own options."""
    headers: object = config.task.headers
    pairs = (
        sorted((_text(name), _text(value)) for name, value in headers.items()) if isinstance(headers, Mapping) else []
    )
    return f"{config.hash()} {pairs!r} {[_text(option) for option in config.task.options]!r}"


def _text(value: object) -> str:
    """Return a header's text or an option's; anything else is refused when the task is registered."""
    return value if isinstance(value, str) else str(value) if isinstance(value, Option) else shown(value)
