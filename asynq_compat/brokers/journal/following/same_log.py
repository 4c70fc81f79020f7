"""Is this still the log that was followed, and what is an operator told if not?

Contract: reads, changes nothing. Each of the lines below takes the journal's name and a place or a reason, and says what to do.
"""

from __future__ import annotations

from asynq_compat.errors import CorruptDataError
from asynq_compat.journals.journal import Entry, Journal, NotInJournalError, state_journal_name

ANOTHER = (
    "%s is not the journal it was: it has another entry, or none, at position %d; everything is read anew and tasks held here are given up. "
    "If nobody made it anew on purpose, look for a broker that lost data or a file that was restored"
)
CUT = (
    "%s was cut while this process slept at position %d; it goes on from the newest checkpoint, and tasks held here are given up. "
    "If it did not sleep, it is too slow for the traffic: keep more of the journal or give it more CPU"
)

DIVERGED = (
    "what was folded here is not what its keeper folded: {}. If this comes once more, the checkpoint is passed over: it is of entries that the "
    "journal has lost. Else report it with the journal, and look whether all processes run the same release"
)
NO_GOOD = "%s is folded anew: %s"


class FoldLostError(Exception):
    """What was folded here is no good any more; says why."""


def is_same_log(journal: Journal, last: Entry) -> bool:
    """Return whether the last entry that was applied stands where it stood.

    Raises:
        NotInJournalError: Its place is not there: it was cut away, or the log ends before it.
        BrokerUnavailableError: No answer.
    """
    if journal.end() < last.position:
        raise NotInJournalError(journal.name, last.position)
    again = journal.read(last.position - 1, wait_s=0.0, max_count=1).entries
    return bool(again) and again[0] == last


def check_is_whole(journal: Journal) -> None:
    """Make sure that a journal can be folded from its beginning.

    Raises:
        CorruptDataError: It was cut.
        BrokerUnavailableError: No answer.
    """
    first = journal.first()
    if first > 0:
        raise CorruptDataError(
            f"{journal.name} was cut below position {first} and no checkpoint leads there; bring "
            f"{state_journal_name(journal.name)} back, or remove both to begin with an empty queue"
        )
