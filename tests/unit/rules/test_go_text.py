"""Do our texts look like Go's?"""

from __future__ import annotations

import pytest

from asynq_compat.rules.go_text import go_duration, go_quoted, go_unix_date


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (300_000_000, "300ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (26 * 3_600_000_000_000, "26h0m0s"),
        (3_661_001_000_000, "1h1m1.001s"),
        (-1_500_000_000, "-1.5s"),
        (-1, "-1ns"),
        (2**63 - 1, "2562047h47m16.854775807s"),
    ],
)
def test_durations(duration_ns: int, text: str) -> None:
    assert go_duration(duration_ns) == text


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("x", '"x"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\x1c\x7f", '"\\x1c\\x7f"'),
        ("é☺", '"é☺"'),
        ("\u200b\xa0", '"\\u200b\\u00a0"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("\ud800", '"\\ufffd"'),
    ],
)
def test_strings(text: str, quoted: str) -> None:
    assert go_quoted(text) == quoted


@pytest.mark.parametrize(
    ("instant_s", "text"),
    [
        (0, "Thu Jan  1 00:00:00 UTC 1970"),
        (1_000_000_000, "Sun Sep  9 01:46:40 UTC 2001"),
        (1_735_689_599, "Tue Dec 31 23:59:59 UTC 2024"),
        (-62_135_596_800, "Mon Jan  1 00:00:00 UTC 0001"),
    ],
)
def test_instants(instant_s: int, text: str) -> None:
    assert go_unix_date(instant_s) == text
