"""Does the page of the benchmark say what the stored figures say?"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from tests.bench import plot, report, targets
from tests.bench.results import Figures, Rounds, key, part

JOURNALS = ("sqlite", "kafka", "confluent")


def a_part(figures: Rounds) -> dict[str, object]:
    return part("a command", 3, figures, [0.12])


def process_part(ours: float, go: float) -> dict[str, object]:
    def rounds(rate: float) -> list[dict[str, object]]:
        return [
            {"rate": rate * factor, "own_us": 10.0, "broker_us": 2.0, "stages_us": {"loop": 7.0}}
            for factor in (1, 9, 0.1)
        ]

    figures = {key("process", "go"): rounds(go)}
    for who in ("redis", *JOURNALS):
        figures[key("process async", who)] = figures[key("process plain", who)] = rounds(ours)
    return a_part(figures)


class TestTargets:
    def test_a_ratio_is_that_of_the_medians_in_the_same_part(self) -> None:
        row = next(line for line in targets.rows({"process": process_part(125_000, 10_000)}) if "async handler" in line)
        assert (
            row
            == "| process, async handler | **12.5x (>= 15x) missed** | 12.5x (>= 12x) met | **12.5x (>= 15x) missed** |"
        )

    def test_what_may_not_be_above_its_bound_is_met_below_it(self) -> None:
        figures = a_part({key("idle", who): [{"p50_ms": 2.0, "p99_ms": 12.0}] for who in JOURNALS})
        rows = "\n".join(targets.rows({"latency": figures}))
        assert "| idle, enqueue to start, p50 | 2 ms (<= 5 ms) met | 2 ms (<= 5 ms) met | 2 ms (<= 3 ms) met |" in rows
        assert "12 ms (<= 15 ms) met | 12 ms (<= 15 ms) met | **12 ms (<= 10 ms) missed** |" in rows

    def test_a_part_that_was_not_measured_is_no_target_met(self) -> None:
        rows = [line for line in targets.rows({}) if line.startswith("| ") and not line.startswith("| |")]
        assert {line.count(targets.MISSING) for line in rows} - {0} == {3, 1}
        assert not any("met" in line or "missed" in line for line in rows)


class TestPage:
    def test_each_part_names_its_conditions(self) -> None:
        page = report.page({"process": process_part(1.0, 1.0)})
        assert "| process |" in page
        assert "| 3 | 0.1 | `a command` |" in page
        assert "CPython" in page

    def test_rates_stand_beside_gos(self) -> None:
        page = report.page({"process": process_part(50_000, 10_000)})
        assert "| process async | sqlite | 50,000 | 5.00 | 10.0 + 2.0 | 1.00 |" in page

    def test_a_thread_that_is_not_named_is_in_the_rest(self) -> None:
        page = report.page({"process": process_part(1.0, 1.0)})
        assert "| process async | kafka | 0.0 | 0.0 | 7.0 | 0.0 | 0.0 | 0.0 | 0.0 | 3.0 |" in page

    def test_cpu_counts_all_processes(self) -> None:
        one = {"server_us": 1.0, "producer_us": 2.0, "broker_us": 4.0, "p99_ms": 50.0}
        assert Figures(a_part({key("slow", "go"): [one]})).cpu_us("slow", "go") == 7.0


class TestPlot:
    def test_what_stays_flat_is_drawn_flat_over_powers_of_ten(self) -> None:
        drawing = ET.fromstring(plot.svg("t", "x", "y", {"flat": [(10, 8.0), (100, 8.0), (1000, 8.0)]}))
        (line,) = drawing.iter("{http://www.w3.org/2000/svg}polyline")
        places = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert len({y for _, y in places}) == 1
        assert places[1][0] - places[0][0] == places[2][0] - places[1][0]

    def test_more_is_higher(self) -> None:
        drawing = ET.fromstring(plot.svg("t", "x", "y", {"a": [(1, 1.0), (10, 3.0)]}))
        (line,) = drawing.iter("{http://www.w3.org/2000/svg}polyline")
        low, high = (float(pair.split(",")[1]) for pair in line.attrib["points"].split())
        assert high < low
