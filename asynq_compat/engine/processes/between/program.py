"""How do a handler and a configuration's functions get into another process?

Contract: as pickle sends them, functions and classes by the name under which their module has them; what pickle cannot send goes by
reference if a module has it as an attribute. What cannot be sent at all is named, with what to do, before anything starts. The program's
main module is imported in the worker under the name ``__mp_main__``, as by multiprocessing, and only if something refers to it.
Not obvious: a ServeMux is taken apart, not referred to: it may be filled anywhere. While a worker imports, no server may start there
(`check_not_loading`): a script that starts one unguarded would start it in each of its own workers.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any

from asynq_compat.config import Config
from asynq_compat.errors import InvalidArgumentError, ServerStateError
from asynq_compat.servemux import Handler, ServeMux, parts_of

# The functions of a configuration that are called where the handler runs.
FUNCTIONS = ("base_context", "retry_delay_func", "is_failure", "error_handler")
MAIN = "__main__"
_MAIN_IN_WORKER = "__mp_main__"
_WHAT_TO_DO = 'define it at the top level of a module (what a function returns: under a name there, limited = limit(5)), or leave out "processes"'

_is_loading = False


def check_not_loading() -> None:
    """Refuse to start a server while this process is a worker that imports its program.

    Raises:
        ServerStateError: It is.
    """
    if _is_loading:
        raise ServerStateError(
            "a worker process imported a module that starts a server; put what starts it under: if __name__ == '__main__':"
        )


def pack_program(handler: Handler, config: Config) -> tuple[bytes, bool]:
    """Return handler and functions in bytes, and whether the main module has to be imported first.

    Raises:
        InvalidArgumentError: One of them cannot be sent; the message names it.
    """
    functions = [(f"Config.{name}", getattr(config, name)) for name in FUNCTIONS]
    try:
        return _dumps((handler, *(function for _, function in functions)))
    except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
        for name, part in (*parts_of(handler), *functions):
            _check(name, part)
        raise _unsendable("the handler", handler, error) from None


def unpack_program(data: bytes, main: tuple[str, str] | None) -> tuple[Any, ...]:
    """Return what was packed, in the worker; imports what it needs, `main` first. Whatever an import raises comes through."""
    global _is_loading
    _is_loading = True
    try:
        if main is not None:
            _load_main(*main)
        unpacked: tuple[Any, ...] = pickle.loads(data)  # noqa: S301 - from our own server, over a socket that no other has
    except AttributeError as error:
        if main is None or _MAIN_IN_WORKER not in str(error):
            raise
        raise AttributeError(f"{error}; a worker leaves out what stands under: if __name__ == '__main__':") from None
    finally:
        _is_loading = False
    return unpacked


def main_source() -> tuple[str, str] | None:
    """Return where this program's main module comes from: ("module", name) or ("path", file, folder or archive). None where nobody else can
    import it.
    """
    main = sys.modules[MAIN]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name == MAIN:  # `python app.pyz`, `python folder`.
        return ("path", os.path.dirname(os.path.abspath(spec.origin))) if spec.origin else None
    if spec is not None:
        return ("module", spec.name)
    path = getattr(main, "__file__", None)
    return ("path", os.path.abspath(path)) if path and os.path.isfile(path) else None


def attribute_of(module: str, name: str) -> object:
    """Return a module's attribute, in the worker."""
    return getattr(importlib.import_module(module), name)


def _check(name: str, part: object) -> None:
    try:
        _dumps(part)
    except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
        raise _unsendable(name, part, error) from None


def _unsendable(name: str, part: object, error: Exception) -> InvalidArgumentError:
    """Return the error whose text says it all: behind it pickle would tell it three times over."""
    return InvalidArgumentError(f"{name} cannot be sent to a worker process: {_named(part)}: {error}; {_WHAT_TO_DO}")


def _named(part: object) -> str:
    name = getattr(part, "__qualname__", None)
    return f"{part.__module__}.{name}" if name else f"an object of type {type(part).__qualname__}"


def _dumps(value: object) -> tuple[bytes, bool]:
    """Pickle the value; where an object cannot be pickled, those that modules have as attributes go by reference."""
    try:
        return _pickled(value, by_reference=False)
    except Exception:  # noqa: BLE001 - whatever the user's classes raise; the second try tells
        return _pickled(value, by_reference=True)


def _pickled(value: object, *, by_reference: bool) -> tuple[bytes, bool]:
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, by_reference=by_reference)
    pickler.dump(value)
    return buffer.getvalue(), pickler.needs_main


class _Pickler(pickle.Pickler):
    needs_main = False

    def __init__(self, buffer: io.BytesIO, *, by_reference: bool) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self._by_reference = by_reference
        self._homes: dict[int, tuple[str, str]] | None = None

    def reducer_override(self, obj: Any) -> Any:
        """Say how an object is sent; NotImplemented: as pickle does it."""
        is_code = isinstance(obj, types.FunctionType | type)
        if is_code and _is_found(obj.__module__, obj.__qualname__, obj):
            self._note(obj.__module__)
            return NotImplemented
        if is_code or (self._by_reference and not isinstance(obj, ServeMux)):
            home = self._home(obj)
            if home is not None:
                self._note(home[0])
                return attribute_of, home
        if is_code:
            raise pickle.PicklingError("no module has it as an attribute")
        return NotImplemented

    def _note(self, module: str) -> None:
        if module == MAIN:
            self.needs_main = True
            if main_source() is None:
                raise pickle.PicklingError(
                    "no other process can import what stands in python -c or an interactive session"
                )

    def _home(self, obj: object) -> tuple[str, str] | None:
        if self._homes is None:
            self._homes = {id(value): home for value, home in _attributes()}
        return self._homes.get(id(obj))


def _is_found(module: str, qualified_name: str, obj: object) -> bool:
    found: object = sys.modules.get(module)
    for name in qualified_name.split("."):
        found = getattr(found, name, None)
    return found is obj


def _attributes() -> Iterator[tuple[object, tuple[str, str]]]:
    """Give every module's attributes; those of the main module last, so that they count."""
    names = sorted(sys.modules, key=lambda name: name == MAIN)
    for module_name in names:
        module = sys.modules.get(module_name)
        if isinstance(module, types.ModuleType):
            for name, value in list(vars(module).items()):
                yield value, (module_name, name)


def _load_main(kind: str, source: str) -> None:
    import runpy

    main = types.ModuleType(_MAIN_IN_WORKER)
    sys.modules[MAIN] = sys.modules[_MAIN_IN_WORKER] = main
    if kind == "module":
        main.__dict__.update(runpy.run_module(source, run_name=_MAIN_IN_WORKER, alter_sys=True))
    else:
        main.__dict__.update(runpy.run_path(source, run_name=_MAIN_IN_WORKER))
    sys.modules[MAIN] = sys.modules[_MAIN_IN_WORKER] = main  # runpy has put back what stood there before.
