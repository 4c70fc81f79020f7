"""What does Go's asynq v0.26.0 do?

Contract: `Oracle` drives the program in tests/interop/oracle; its README lists the operations and their arguments. Calls may come from several
threads. What the program tells by itself (its server's handlers) is kept as events, in order.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asynq_compat.wire import TaskMessage

_CALL_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0


class OracleError(Exception):
    """An error that Go returned.

    Attributes:
        text: Go's text.
        code: Go's canonical code, such as "NOT_FOUND"; "ERROR_CODE_UNSPECIFIED" where there is none.
        names: Which of asynq's errors it is, such as "ErrDuplicateTask", "rdb.ErrNoProcessableTask".
    """

    def __init__(self, text: str, code: str = "", names: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.names = frozenset(names)


@dataclass(slots=True)
class _Call:
    answered: threading.Event
    answer: dict[str, Any]


class Oracle:
    """The running program. Use it as a context manager, or call `close`."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._write_lock = threading.Lock()
        self._calls: dict[int, _Call] = {}
        self._last_id = 0
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()  # guards _events and _ended
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="oracle-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def call(self, operation: str, **args: Any) -> Any:
        """Carry out `operation` and return what Go gave; bytes in `args` travel as base64.

        Raises:
            OracleError: Go returned an error.
        """
        call = _Call(threading.Event(), {})
        assert self._process.stdin is not None
        with self._write_lock:
            self._last_id += 1
            call_id = self._last_id
            self._calls[call_id] = call
            line = json.dumps({"id": call_id, "op": operation, "args": args}, default=_as_json)
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        if not call.answered.wait(_CALL_TIMEOUT_S):
            raise TimeoutError(f"the oracle did not answer {line[:200]} within {_CALL_TIMEOUT_S:g} s")
        if not call.answer:
            raise OracleError(f"the oracle ended during {line[:200]}")
        error = call.answer.get("error")
        if error is not None:
            raise OracleError(error["text"], error["code"], error["is"])
        return call.answer["ok"]

    def events(self) -> list[dict[str, Any]]:
        """Return all events so far, in order."""
        with self._changed:
            return list(self._events)

    def wait_for(
        self, condition: Callable[[list[dict[str, Any]]], bool], timeout_s: float = 30.0
    ) -> list[dict[str, Any]]:
        """Wait until `condition` holds for the events so far and return them."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended or condition(self._events), timeout_s):
                raise TimeoutError(f"not within {timeout_s:g} s; the last events: {self._events[-5:]}")
            if not condition(self._events):
                raise OracleError(f"the oracle ended; the last events: {self._events[-5:]}")
            return list(self._events)

    def kill(self) -> None:
        """End the program by SIGKILL, as a crash would."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End the program; legal twice."""
        with self._write_lock:
            if self._process.stdin is not None and not self._process.stdin.closed:
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "event" in told:
                with self._changed:
                    self._events.append(told)
                    self._changed.notify_all()
            else:
                call = self._calls.pop(told["id"])
                call.answer = told
                call.answered.set()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for call in list(self._calls.values()):
            call.answered.set()


def message_args(message: TaskMessage) -> dict[str, Any]:
    """Return `message` as an argument for the oracle."""
    args = {field.name: getattr(message, field.name) for field in fields(message) if field.name != "unknown"}
    args["headers"] = None if message.headers is None else dict(message.headers)
    return args


def message_of(answer: dict[str, Any]) -> TaskMessage:
    """Return the message in an answer of the oracle; what is empty becomes None."""
    payload = base64.b64decode(answer["payload"] or "") or None
    return TaskMessage(**{**answer, "payload": payload, "headers": answer["headers"] or None})


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, TaskMessage):
        return message_args(value)
    raise TypeError(f"the oracle cannot be told a {type(value).__name__}")
