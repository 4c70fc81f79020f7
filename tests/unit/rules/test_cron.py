"""When does a cron spec fire? The same is asked of Go, for random specs, in tests/interop/test_cron_parity.py."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from asynq_compat.rules.cron.parsing import parse_cron

_NEW_YORK = ZoneInfo("America/New_York")


def _find_zone(name: str) -> tzinfo:
    if name == "Nowhere":
        raise ValueError("unknown time zone Nowhere")
    return ZoneInfo(name or "UTC")


def _firings(spec: str, after: str, count: int, zone: tzinfo = UTC) -> list[str]:
    """The next firings as the clock of the zone shows them."""
    schedule = parse_cron(spec, zone, _find_zone)
    at_ns = int(datetime.fromisoformat(after).astimezone(UTC).timestamp()) * 1_000_000_000
    found: list[str] = []
    while len(found) < count and (firing := schedule.next(at_ns)) is not None:
        at_ns = firing
        found.append(f"{datetime.fromtimestamp(firing // 1_000_000_000, zone):%m-%d %H:%M%z}")
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("* * * * *", ["10-30 00:01+0000", "10-30 00:02+0000"]),
        ("*/20 0 * * *", ["10-30 00:20+0000", "10-30 00:40+0000"]),
        ("5/25 3 * * *", ["10-30 03:05+0000", "10-30 03:30+0000"]),
        ("0 0 13 * fri", ["10-31 00:00+0000", "11-07 00:00+0000"]),
        ("0 0 */2 * 1", ["10-31 00:00+0000", "11-01 00:00+0000"]),
        ("0 0 1,* * 1", ["11-03 00:00+0000", "11-10 00:00+0000"]),
        ("0 12 1 JAN,feb *", ["01-01 12:00+0000", "02-01 12:00+0000"]),
        ("? ? ? ? ?", ["10-30 00:01+0000", "10-30 00:02+0000"]),
        ("@weekly", ["11-02 00:00+0000", "11-09 00:00+0000"]),
        ("@every 1h30m", ["10-30 01:30+0000", "10-30 03:00+0000"]),
        ("TZ=Asia/Tokyo 0 9 * * *", ["10-31 00:00+0000", "11-01 00:00+0000"]),
        (", * * * *", []),
        ("0 0 31 2 *", []),
    ],
)
def test_a_spec_fires_at_the_next_times_it_names(spec: str, expected: list[str]) -> None:
    assert _firings(spec, "2025-10-30T00:00:00+00:00", 2) == expected


def test_an_hour_that_is_repeated_fires_twice() -> None:
    fired = _firings("30 1 * * *", "2025-11-01T12:00:00-04:00", 3, _NEW_YORK)

    assert fired == ["11-02 01:30-0400", "11-02 01:30-0500", "11-03 01:30-0500"]


def test_an_hour_that_is_skipped_fires_the_next_day() -> None:
    fired = _firings("30 2 * * *", "2025-03-08T00:00:00-05:00", 2, _NEW_YORK)

    assert fired == ["03-08 02:30-0500", "03-10 02:30-0400"]


def test_every_is_counted_from_the_second_at_which_it_is_asked() -> None:
    assert parse_cron("@every 1500ms", UTC, _find_zone).next(1_999_999_999) == 2_000_000_000
    assert parse_cron("@every 1ms", UTC, _find_zone).next(1_500_000_000) == 2_000_000_000


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@hourly ", "unrecognized descriptor: @hourly "),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5d", 'failed to parse duration @every 5d: time: unknown unit "d" in duration "5d"'),
        ("TZ=Nowhere 0 0 * * *", "provided bad location Nowhere: unknown time zone Nowhere"),
        ("TZ=UTC", "there is nothing behind the time zone: TZ=UTC"),
    ],
)
def test_what_is_no_spec_is_refused(spec: str, text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_cron(spec, UTC, _find_zone)

    assert str(refused.value) == text
