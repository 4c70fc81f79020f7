"""Does a cron spec fire when Go's scheduler fires it, and is one refused with Go's words?"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asynq_compat.rules.cron.parsing import parse_cron
from tests.interop.go_oracle import Oracle, OracleError

_COUNT = 50
_parity = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

ZONES = (
    "UTC",
    "America/New_York",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Tokyo",
    "Asia/Kathmandu",  # 5:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "America/Sao_Paulo",  # began its summer at midnight
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "America/St_Johns",  # changed at 0:01
    "Pacific/Apia",  # left out a day
    "Africa/Casablanca",  # winter time in Ramadan
    "Antarctica/Troll",
)


def _between(first: str, last: str) -> st.SearchStrategy[int]:
    """Unix nanoseconds between two dates."""
    seconds = [int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) for day in (first, last)]
    return st.tuples(st.integers(*seconds), st.integers(0, 999_999_999)).map(lambda at: at[0] * 1_000_000_000 + at[1])


# Also close to changes of zones: in these months many of the zones above had some.
_starts = st.one_of(
    _between("2000-01-01", "2040-01-01"),
    _between("2011-10-01", "2011-12-31"),
    _between("2018-02-10", "2018-04-10"),
    _between("2018-09-25", "2018-11-10"),
    _between("2095-12-01", "2096-04-01"),
)

_MONTHS = ("jan", "FEB", "Mar", "dec")
_DAYS = ("sun", "MON", "sat")


def _values(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    value = number if not names else number | st.sampled_from(names)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda ends: "{}-{}".format(*sorted(ends)))
    base = st.sampled_from(("*", "*", "?")) | value | span
    item = st.one_of(base, st.tuples(base, st.integers(1, high + 3)).map(lambda both: "{}/{}".format(*both)))
    return st.lists(item, min_size=1, max_size=3).map(",".join)


_specs = st.one_of(
    st.tuples(_values(0, 59), _values(0, 23), _values(1, 31), _values(1, 12, _MONTHS), _values(0, 6, _DAYS)).map(
        " ".join
    ),
    # Hours are where changes of zones show.
    st.tuples(st.integers(0, 59), st.integers(0, 4)).map(lambda when: "{} {} * * *".format(*when)),
    st.tuples(st.integers(0, 59), st.sampled_from(("*/2", "0-3", "23", "0", "1,2,3"))).map(
        lambda when: "{} {} * * *".format(*when)
    ),
    st.sampled_from(("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")),
    st.integers(-5, 10**6).map(lambda seconds: f"@every {seconds}.7s"),
    st.sampled_from(("@every 1h30m", "@every 90m", "@every 1ms", "@every -3h", "@every 1h0.5m", "@every 0")),
)
_prefixes = st.just("") | st.sampled_from((*ZONES, "Local")).flatmap(
    lambda zone: st.sampled_from((f"TZ={zone} ", f"CRON_TZ={zone}  "))
)
_letters = st.text(alphabet='*?,-/+0123456789 \t@abdejmnoruTZ=._hs\u00a0\u2003\u00b5\u00e9"', max_size=24)
_pieces = st.sampled_from(
    (
        "*", "?", "*/0", "*/", "/5", "1-2-3", "1/2/3", "60", "-1", "+5", "*-5", "*-x", "5-", ",", ",,", "1,*", "mon", "7",
        "jan-mar", "sat-sun", "99999999999999999999", "5-1", "*/99", "0/99", "L", "1#2", "1/-1", "0", "32", "?/1", "MON-fri",
    )
)  # fmt: skip
_hostile = st.one_of(
    _letters,
    st.lists(_pieces, min_size=4, max_size=6).map(" ".join),
    st.tuples(
        st.sampled_from(("@every ", "@every", " @every ", "@Daily", "@", "TZ= ", "TZ=X/Y ", "CRON_TZ=Local/ ")),
        _letters,
    ).map("".join),
)


def _find_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, KeyError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


def _ours(spec: str, zone: str, after_ns: int, count: int = _COUNT) -> list[int] | str:
    try:
        schedule = parse_cron(spec, _find_zone(zone), _find_zone)
    except ValueError as error:
        return str(error)
    found: list[int] = []
    while len(found) < count and (at := schedule.next(found[-1] if found else after_ns)) is not None:
        found.append(at)
    return found


def _go_s(oracle: Oracle, spec: str, zone: str, after_ns: int, count: int = _COUNT) -> list[int] | str:
    try:
        found: list[int] = oracle.call("cron", spec=spec, zone=zone, after_ns=after_ns, count=count)
    except OracleError as error:
        return error.text
    return found


@_parity
@given(prefix=_prefixes, spec=_specs, zone=st.sampled_from(ZONES), after_ns=_starts)
@example("", "0 0 29 2 *", "UTC", 3_976_214_400_000_000_000)
@example("", "30 1 * * *", "America/New_York", 1_761_955_200_000_000_000)
@example("", "0 * 1,* * 1", "UTC", 1_761_955_200_000_000_000)
@example("TZ=Local ", "30 4 * * *", "America/New_York", 1_761_955_200_000_000_000)  # the scheduler's zone
def test_the_next_fifty_firings_are_go_s(oracle: Oracle, prefix: str, spec: str, zone: str, after_ns: int) -> None:
    assert _ours(prefix + spec, zone, after_ns) == _go_s(oracle, prefix + spec, zone, after_ns)


@_parity
@given(spec=_hostile)
@example("* * * * * *")
@example("*-5 +5 * * *")
@example(", * * * *")
@example("0 0 , * ,")
def test_what_go_refuses_is_refused_with_its_words(oracle: Oracle, spec: str) -> None:
    after_ns = 1_761_955_200_123_000_000
    by_go = _go_s(oracle, spec, "UTC", after_ns, 5)
    if isinstance(by_go, str) and by_go.startswith("oracle: panic"):
        with pytest.raises(ValueError, match="nothing behind the time zone"):
            parse_cron(spec, UTC, _find_zone)
    else:
        assert _ours(spec, "UTC", after_ns, 5) == by_go
