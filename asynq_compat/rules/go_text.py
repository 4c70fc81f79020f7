"""How does Go print a string, a duration and an instant?

Contract: pure. Peers read these texts (scheduler entries) and users compare them (error messages).
Not obvious: an instant is always printed in UTC: Go takes an abbreviation that it does not know for offset 0, so any other zone
would shift the instant when it is read back.
Source: Go's `strconv.Quote`, `time.Duration.String`, `time.UnixDate`.
"""

from __future__ import annotations

from datetime import timedelta

from asynq_compat.rules.instants import EPOCH

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def go_quoted(text: str) -> str:
    """Return `text` as Go's ``%q`` prints it."""
    return f'"{"".join(map(_quoted_character, text))}"'


def _quoted_character(character: str) -> str:
    escape = _ESCAPES.get(character)
    if escape is not None:
        return escape
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\\ufffd"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_duration(duration_ns: int) -> str:
    """Return a duration as Go prints it: ``26h0m0s``, ``1.5s``, ``300ms``, ``0s``."""
    sign, rest = ("-", -duration_ns) if duration_ns < 0 else ("", duration_ns)
    if rest == 0:
        return "0s"
    if rest < 1_000_000_000:
        unit, per_unit = ("ns", 1) if rest < 1_000 else ("µs", 1_000) if rest < 1_000_000 else ("ms", 1_000_000)
        return f"{sign}{_decimal(rest, per_unit)}{unit}"
    minutes, seconds_ns = divmod(rest, 60_000_000_000)
    text = f"{_decimal(seconds_ns, 1_000_000_000)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return sign + text


def _decimal(value: int, per_unit: int) -> str:
    whole, fraction = divmod(value, per_unit)
    digits = f"{fraction:0{len(str(per_unit)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)


def go_unix_date(instant_s: int) -> str:
    """Return an instant in Go's UnixDate layout, in UTC: ``Thu Jan  1 00:00:00 UTC 1970``."""
    at = EPOCH + timedelta(seconds=instant_s)
    day = f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day:2d}"
    return f"{day} {at.hour:02d}:{at.minute:02d}:{at.second:02d} UTC {at.year:04d}"
