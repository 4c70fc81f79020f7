"""Which periodic tasks are due, and when is the next one?"""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

from asynq_compat.engine.scheduling.agenda import Agenda, Entry
from asynq_compat.ports.system_zones import find_zone
from asynq_compat.rules.cron.parsing import parse_cron
from asynq_compat.rules.cron.schedule import Aligned
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.task import Task

# 2025-01-02 03:04:05.5 UTC
NOW_NS = 1_735_787_045 * NS_PER_S + 500_000_000
MINUTE_NS = 60 * NS_PER_S
NEXT_MINUTE_NS = 1_735_787_100 * NS_PER_S


def entry(spec: str = "* * * * *", entry_id: str = "e", zone: str = "UTC") -> Entry:
    return Entry(entry_id, spec, Task("t"), (), parse_cron(spec, ZoneInfo(zone) if zone != "UTC" else UTC, find_zone))


def begun(*entries: Entry, makes_up: bool = False, now_ns: int = NOW_NS) -> Agenda:
    agenda = Agenda(makes_up=makes_up)
    for one in entries:
        agenda.add(one, now_ns)
    agenda.begin(now_ns)
    return agenda


def test_instants_are_counted_from_the_beginning_not_from_the_registration() -> None:
    agenda = Agenda()
    agenda.add(entry("@every 10s"), NOW_NS)
    assert agenda.next_ns() is None

    agenda.begin(NOW_NS + 100 * NS_PER_S)

    assert agenda.next_ns() == NOW_NS // NS_PER_S * NS_PER_S + 110 * NS_PER_S


def test_an_entry_is_handed_out_once_at_its_instant_never_before() -> None:
    agenda = begun(entry())

    assert agenda.take_due(NEXT_MINUTE_NS - 1) == []
    (due,) = agenda.take_due(NEXT_MINUTE_NS)
    assert (due.instant_ns, due.next_ns) == (NEXT_MINUTE_NS, NEXT_MINUTE_NS + MINUTE_NS)
    assert agenda.take_due(NEXT_MINUTE_NS + 1) == []


def test_what_was_missed_is_not_made_up_for() -> None:
    """As in Go: one firing, for the instant that it was waiting for."""
    one = entry()
    agenda = begun(one)

    (due,) = agenda.take_due(NEXT_MINUTE_NS + 10 * MINUTE_NS)

    assert (due.instant_ns, one.prev_ns) == (NEXT_MINUTE_NS, NEXT_MINUTE_NS)
    assert agenda.next_ns() == NEXT_MINUTE_NS + 11 * MINUTE_NS


def test_an_agenda_that_makes_up_hands_out_every_instant_of_the_last_half_hour() -> None:
    one = entry()
    agenda = begun(one, makes_up=True)

    found = agenda.take_due(NEXT_MINUTE_NS + 3 * MINUTE_NS)
    assert [due.instant_ns for due in found] == [NEXT_MINUTE_NS + n * MINUTE_NS for n in range(4)]
    assert one.prev_ns == NEXT_MINUTE_NS + 3 * MINUTE_NS

    late_ns = NEXT_MINUTE_NS + 103 * MINUTE_NS
    found = agenda.take_due(late_ns)
    assert [due.instant_ns for due in found] == [late_ns - n * MINUTE_NS for n in range(29, -1, -1)]
    assert agenda.next_ns() == late_ns + MINUTE_NS


def test_an_agenda_that_makes_up_hands_out_a_hundred_instants_at_most() -> None:
    one = Entry("e", "@every 1s", Task("t"), (), Aligned(1))
    agenda = begun(one, makes_up=True)

    found = agenda.take_due(NOW_NS + 1_000 * NS_PER_S)

    assert len(found) == 100
    assert found[-1].instant_ns == (NOW_NS + 1_000 * NS_PER_S) // NS_PER_S * NS_PER_S


def test_several_are_handed_out_in_the_order_of_their_instants() -> None:
    agenda = begun(entry("@every 7s", "late"), entry("@every 3s", "early"), entry("0 0 31 2 *", "never"))

    assert [due.entry.id for due in agenda.take_due(NOW_NS + 8 * NS_PER_S)] == ["early", "late"]
    assert [one.id for one, _, _ in agenda.entries()][-1] == "never"


def test_an_entry_that_never_fires_has_no_instants() -> None:
    agenda = begun(entry("0 0 31 2 *"))

    assert agenda.next_ns() is None
    assert agenda.take_due(NOW_NS + 10**18) == []
    assert [(next_ns, prev_ns) for _, next_ns, prev_ns in agenda.entries()] == [(None, None)]


def test_an_entry_that_was_removed_fires_no_more() -> None:
    agenda = begun(entry())

    assert agenda.remove("e")
    assert not agenda.remove("e")

    assert agenda.take_due(NEXT_MINUTE_NS) == []


def test_a_clock_that_is_set_back_a_little_fires_nothing_twice() -> None:
    agenda = begun(entry())
    assert len(agenda.take_due(NEXT_MINUTE_NS)) == 1

    assert agenda.take_due(NEXT_MINUTE_NS - 30 * MINUTE_NS) == []
    assert agenda.take_due(NEXT_MINUTE_NS) == []
    assert len(agenda.take_due(NEXT_MINUTE_NS + MINUTE_NS)) == 1


def test_what_fires_every_so_often_goes_on_when_the_clock_is_set_back() -> None:
    """In Go it waits until the clock has come there again."""
    agenda = begun(entry("@every 10s"))
    agenda.take_due(NOW_NS + 10 * NS_PER_S)

    back_ns = NOW_NS - 30 * MINUTE_NS
    assert agenda.take_due(back_ns) == []

    assert agenda.next_ns() == (back_ns // NS_PER_S + 10) * NS_PER_S


def test_a_clock_that_is_set_back_by_a_day_leaves_nothing_waiting_for_a_day() -> None:
    agenda = begun(entry())

    agenda.take_due(NOW_NS - 1440 * MINUTE_NS)

    assert agenda.next_ns() == NEXT_MINUTE_NS - 1440 * MINUTE_NS


def test_an_hour_that_a_zone_skips_is_skipped_and_one_that_it_repeats_fires_twice() -> None:
    """New York: 2025-03-09 02:30 does not exist, 2025-11-02 01:30 comes twice."""
    spring_ns, autumn_ns = 1_741_478_400 * NS_PER_S, 1_762_041_600 * NS_PER_S  # Midnight UTC of these days.
    day_ns = 1440 * MINUTE_NS
    skipped = begun(entry("30 2 * * *", zone="America/New_York"), makes_up=False, now_ns=spring_ns)
    repeated = begun(entry("30 1 * * *", zone="America/New_York"), now_ns=autumn_ns)

    fired = [at for at in range(spring_ns, spring_ns + day_ns, 5 * MINUTE_NS) if skipped.take_due(at)]
    twice = [at for at in range(autumn_ns, autumn_ns + day_ns, 5 * MINUTE_NS) if repeated.take_due(at)]

    assert fired == []
    assert [at - twice[0] for at in twice] == [0, 60 * MINUTE_NS]
