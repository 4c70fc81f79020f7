"""Which server is meant by a session?

Contract: what a server told about itself stands on the control journal; where that was cut, or never said, its id has to do.
"""

from __future__ import annotations

from asynq_compat.journals.journal import CONTROL, JournalStore
from asynq_compat.machine.machine import Machine
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import decode_frame


class ServerNames:
    """The names of a place's servers: ``host:pid:id``."""

    def __init__(self, store: JournalStore) -> None:
        self._by_id = _published(store)
        self._by_session: dict[int, str] = {}

    def learn(self, machine: Machine) -> None:
        """Remember the sessions that are alive: later they are gone."""
        for session in machine.sessions():
            self._by_session.setdefault(session.session, self.of_server(session.server_id))

    def of_server(self, server_id: str) -> str:
        """Return the name of the server with this id."""
        return self._by_id.get(server_id, server_id)

    def of_session(self, session: int | None) -> str:
        """Return the name of a session's server; "" for None."""
        return "" if session is None else self._by_session.get(session, f"session {session}")


def _published(store: JournalStore) -> dict[str, str]:
    if CONTROL not in store.names():
        return {}
    journal = store.open(CONTROL)
    try:
        names: dict[str, str] = {}
        end, after = journal.end(), journal.first() - 1
        while after < end:
            batch = journal.read(after, wait_s=0.0)
            for entry in batch.entries:
                frame = decode_frame(entry.data)
                for command in [] if isinstance(frame, str) else frame.commands:
                    if command[0] == c.SERVER and len(command) > 1 and isinstance(key := command[1], str):
                        names[key.rpartition(":")[2]] = key
            if batch.upto == after:
                break
            after = batch.upto
        return names
    finally:
        journal.close()
