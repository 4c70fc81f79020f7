"""What do the parameters of a broker's URL say?

Contract: pure. A parameter that is not known, given twice, or empty is refused with what to write; a value is shown only where it cannot be
a password.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_url import GoURL, parse_go_int
from asynq_compat.rules.keywords import unknown_keyword
from asynq_compat.rules.limits import shown
from asynq_compat.targets.tls import TLSConfig

Reader = Callable[[str, str], object]


def parameters_of(url: GoURL, known: Iterable[str], misplaced: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the parameters of a URL, which must be among `known`; `misplaced` says what to write in place of some others.

    Raises:
        InvalidArgumentError: One is not, or is given twice, or has no value.
    """
    names = list(known)
    found: dict[str, str] = {}
    for name, text in parse_qsl(url.query, keep_blank_values=True):
        if misplaced and name in misplaced and name not in names:
            raise InvalidArgumentError(f"{name} is no parameter of a {url.scheme}:// URL; {misplaced[name]}")
        if name not in names:
            raise unknown_keyword(name, names, kind="parameter", of=f"a {url.scheme}:// URL")
        if name in found:
            raise InvalidArgumentError(f"parameter {name} of a {url.scheme}:// URL is given twice; write it once")
        if not text:
            raise InvalidArgumentError(
                f"parameter {name} of a {url.scheme}:// URL has no value; give one or leave it out"
            )
        found[name] = text
    return found


def tls_config(given: Mapping[str, str]) -> TLSConfig | None:
    """Return what the parameters among `TLS_PARAMETERS` mean; None when none switches TLS on."""
    read: dict[str, Any] = {name.removeprefix("tls_"): TLS_PARAMETERS[name](name, text) for name, text in given.items()}
    is_on = read.pop("tls", True)
    if read and not is_on:
        others = ", ".join(name for name in given if name != "tls")
        raise InvalidArgumentError(f"tls=false contradicts {others}; leave one of them out")
    return TLSConfig(**read) if given and is_on else None


def truth(name: str, text: str) -> bool:
    """Return a truth value."""
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if value is None:
        raise InvalidArgumentError(f"parameter {name} must be true or false, got {shown(text)}")
    return value


def integer(name: str, text: str) -> int:
    """Return an integer."""
    try:
        return parse_go_int(text)
    except ValueError:
        raise InvalidArgumentError(
            f"parameter {name} must be an integer, got {shown(text)}; for example {name}=3"
        ) from None


def seconds(name: str, text: str) -> float:
    """Return a number of seconds above 0."""
    found = _number(text)
    if not found > 0:
        raise InvalidArgumentError(
            f"parameter {name} must be a number of seconds above 0, got {shown(text)}; for example {name}=5"
        )
    return found


def timeout(name: str, text: str) -> float:
    """Return a number of seconds above 0, or -1 for no limit."""
    found = _number(text)
    if not (found > 0 or found == -1):
        raise InvalidArgumentError(
            f"parameter {name} must be a number of seconds above 0, or -1 for no limit, got {shown(text)}"
        )
    return found


def word(_: str, text: str) -> str:
    """Return the text as it is."""
    return text


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


TLS_PARAMETERS: Mapping[str, Reader] = {
    "tls": truth,
    "tls_ca_file": word,
    "tls_cert_file": word,
    "tls_key_file": word,
    "tls_check_hostname": truth,
    "tls_insecure_skip_verify": truth,
}
