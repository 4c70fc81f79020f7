"""How long had tasks been pending when a server took them?

Contract: asks the folds for a few tasks of each batch, evenly spread; called by whoever takes, with no lock held. What is not known is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.session import Session, SessionTerm
from asynq_compat.ports.consuming import Lease, Waiting
from asynq_compat.rules.sampling import sample_places

_term_of = attrgetter("term")


def tell_waits(membership: Membership, leases: Sequence[Lease], observer: Waiting) -> None:
    """Tell the observer how long leases that were just given out had waited."""
    now_ms = membership.clock.now_ns() // 1_000_000
    for session, given in _by_session(leases):
        seat = membership.seats.get(session.journal)
        if seat is None:
            continue
        samples = [given[place] for place in sample_places(len(given))]
        replica = seat.partition.replica
        with replica.lock:
            since_ms = [replica.fold.active_since_ms(session.name, one.position, one.index) for one in samples]
        waits_s = [max(now_ms - one, 0) / 1000 for one in since_ms if one is not None]
        observer.waited(session.queue, len(given), waits_s)


def _by_session(leases: Sequence[Lease]) -> Iterator[tuple[Session, Sequence[Lease]]]:
    terms = set(map(_term_of, leases))
    for term in terms:
        assert isinstance(term, SessionTerm)
        yield term.session, leases if len(terms) == 1 else [lease for lease in leases if lease.term is term]
