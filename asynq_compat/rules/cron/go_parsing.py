"""How does Go read a number and a duration?

Contract: pure; refuses with Go's texts.
Source: Go's `strconv.Atoi`, `time.ParseDuration`.
"""

from __future__ import annotations

import re

from asynq_compat.rules.go_text import go_quoted

_INT = re.compile(r"[+-]?[0-9]+")
_INT_MAX = 2**63 - 1
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # the micro sign
    "\u03bcs": 1_000,  # the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(?P<whole>[0-9]*)(?P<fraction>\.[0-9]*)?(?P<unit>[^.0-9]*)")


def parse_int(text: str) -> int:
    """Return a decimal number of 64 bits, such as "12", "+5", "-3".

    Raises:
        ValueError: It is none.
    """
    if not _INT.fullmatch(text):
        raise ValueError(f"strconv.Atoi: parsing {go_quoted(text)}: invalid syntax")
    number = int(text)
    if not -_INT_MAX - 1 <= number <= _INT_MAX:
        raise ValueError(f"strconv.Atoi: parsing {go_quoted(text)}: value out of range")
    return number


def parse_duration_ns(text: str) -> int:
    """Return the nanoseconds of a duration such as "1h30m", "-1.5s", "0".

    Raises:
        ValueError: It is none, or longer than 292 years.
    """
    is_negative = text.startswith("-")
    rest = text[1:] if text.startswith(("-", "+")) else text
    if rest == "0":
        return 0
    total_ns = 0
    if not rest:
        raise ValueError(_invalid(text))
    while rest:
        part = _PART.match(rest)
        assert part is not None  # It matches anything.
        rest = rest[part.end() :]
        whole, fraction = part["whole"], (part["fraction"] or "").removeprefix(".")
        if not whole and not fraction:
            raise ValueError(_invalid(text))
        if not part["unit"]:
            raise ValueError(f"time: missing unit in duration {_quoted(text)}")
        unit_ns = _UNITS_NS.get(part["unit"])
        if int(whole or "0") > 2**63:
            raise ValueError(_invalid(text))
        if unit_ns is None:
            raise ValueError(f"time: unknown unit {_quoted(part['unit'])} in duration {_quoted(text)}")
        total_ns += int(whole or "0") * unit_ns + _fraction_ns(fraction, unit_ns)
        if total_ns > 2**63:
            raise ValueError(_invalid(text))
    if total_ns > _INT_MAX and not is_negative:
        raise ValueError(_invalid(text))
    return -total_ns if is_negative else total_ns


def _fraction_ns(digits: str, unit_ns: int) -> int:
    """Return what a fraction of a unit is, as Go works it out: in floating point, from as many digits as 63 bits hold."""
    value, scale = 0, 1.0
    for digit in digits:
        if value > _INT_MAX // 10 or value * 10 + int(digit) > 2**63:
            break
        value, scale = value * 10 + int(digit), scale * 10
    return int(value * (unit_ns / scale))


def _invalid(text: str) -> str:
    return f"time: invalid duration {_quoted(text)}"


def _quoted(text: str) -> str:
    """Return a text in quotes as the package time prints it: what is not ASCII byte by byte."""
    shown = []
    for byte in text.encode(errors="surrogateescape"):
        if byte in b'"\\':
            shown.append("\\" + chr(byte))
        else:
            shown.append(chr(byte) if 32 <= byte < 128 else f"\\x{byte:02x}")
    return f'"{"".join(shown)}"'
