"""When does a task wait for company, and when is that given up?"""

from __future__ import annotations

import itertools
import random

from asynq_compat.rules.company import Company

PAUSE_S = 0.005


def alone(company: Company, interval_s: float, count: int, *, start_s: float = 0.0) -> list[int]:
    """Send `count` tasks one by one, nobody ever comes; return which of them waited."""
    waited = []
    for number in range(count):
        if company.wait_s(start_s + number * interval_s, 1):
            waited.append(number)
            company.came(start_s + number * interval_s, 0)
    return waited


def at_random(company: Company, rate: float, count: int) -> tuple[int, int]:
    """Let tasks come at random; return how many sends there were, and how many waited."""
    chance = random.Random(7)
    instants = list(itertools.accumulate(chance.expovariate(rate) for _ in range(count)))
    sends = waits = number = 0
    while number < count:
        now_s = instants[number]
        number += 1
        if wait_s := company.wait_s(now_s, 1):
            waits += 1
            came = sum(instant < now_s + wait_s for instant in instants[number : number + 100])
            company.came(now_s + wait_s, came)
            number += came
        sends += 1
    return sends, waits


def test_an_idle_program_s_tasks_go_at_once() -> None:
    assert alone(Company(PAUSE_S), 0.01, 1_000) == []


def test_the_first_tasks_of_a_burst_go_at_once() -> None:
    assert min(alone(Company(PAUSE_S), 0.0005, 1_000)) >= 16


def test_who_waits_for_each_answer_waits_for_company_less_and_less() -> None:
    waited = alone(Company(PAUSE_S), 0.0002, 20_000)
    assert 3 < len(waited) < 15
    assert waited[-1] - waited[-2] > 4_000


def test_tasks_that_come_at_random_go_together() -> None:
    sends, waits = at_random(Company(PAUSE_S), 1_000, 10_000)
    assert sends < 10_000 / 2
    assert waits > 0.8 * sends


def test_at_a_lower_rate_nobody_waits() -> None:
    sends, waits = at_random(Company(PAUSE_S), 200, 2_000)
    assert sends > 0.95 * 2_000
    assert waits < 0.05 * sends


def test_a_single_company_ends_the_doubt() -> None:
    company = Company(PAUSE_S)
    alone(company, 0.0002, 5_000)
    company.came(1.0, 2)
    waited = alone(company, 0.0002, 100, start_s=1.0)
    assert len(waited) <= 4


def test_a_task_behind_a_silence_goes_at_once() -> None:
    company = Company(PAUSE_S)
    for number in range(100):
        if company.wait_s(number * 0.001, 1):
            company.came(number * 0.001 + PAUSE_S, 2)
    assert company.wait_s(0.1, 1) == PAUSE_S
    assert company.wait_s(5.0, 1) == 0


def test_many_that_are_there_already_wait_for_nobody() -> None:
    company = Company(PAUSE_S)
    assert not any(company.wait_s(number * 0.0003, 8) for number in range(1_000))


def test_where_a_call_costs_little_nobody_waits() -> None:
    assert alone(Company(0.0), 0.0, 1_000) == []
