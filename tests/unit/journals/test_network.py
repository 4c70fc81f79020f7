"""Does an event loop without a thread of its own lose nothing while nobody drives it?"""

from __future__ import annotations

from asynq_compat.journals.kafka.kafka_python.network import Network


def test_time_that_nobody_drives_the_loop_does_not_count_for_what_waits_in_it() -> None:
    """A request's time would be over although its answer has come."""
    network = Network(is_driven=True)
    done: list[str] = []
    network.call_later(50.0, lambda: done.append("late"))
    network.call_later(0.0, lambda: done.append("early"))
    network._poll_once(0)
    assert done == ["early"]

    network._driven_at -= 60.0  # As if it had stood still for a minute.
    (waiting,) = [task for _, task in network._scheduled]
    before_s = waiting.scheduled_at
    network._poll_once(0)

    assert done == ["early"]
    assert waiting.scheduled_at - before_s >= 60.0
    network.close()
