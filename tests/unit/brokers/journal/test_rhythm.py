"""When does a replica let entries gather?"""

from __future__ import annotations

from asynq_compat.brokers.journal.following.rhythm import Rhythm

SOON_S, LATE_S = 0.0005, 0.01


def after(*reads: tuple[float, int]) -> float:
    """Return the pause behind these reads."""
    rhythm = Rhythm()
    for waited_s, entry_count in reads:
        rhythm.note(waited_s, entry_count)
    return rhythm.pause_s


def test_an_idle_journals_entries_are_read_at_once() -> None:
    assert after(*[(LATE_S, 1), (SOON_S, 1)] * 20) == 0


def test_entries_that_come_right_behind_one_another_gather_after_a_while() -> None:
    assert after(*[(SOON_S, 1)] * 4) == 0
    assert after(*[(SOON_S, 1)] * 5) > 0
    assert after(*[(SOON_S, 1)] * 5, *[(0.0, 3)] * 50) > 0


def test_a_pause_in_vain_is_not_made_again_soon() -> None:
    assert after(*[(SOON_S, 1)] * 6) == 0
    assert after(*[(SOON_S, 1)] * 10) == 0


def test_a_read_that_had_to_wait_ends_it() -> None:
    assert after(*[(SOON_S, 1)] * 5, (LATE_S, 3)) == 0


def test_large_reads_need_no_pause() -> None:
    assert after(*[(0.0, 64)] * 20) == 0
    assert after(*[(0.0, 0)] * 20) == 0
