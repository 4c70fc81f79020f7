"""What does an entry say, in words?

Contract: pure and total. No payload is shown; long lists are cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.journals.journal import Entry
from asynq_compat.machine.bare import read_bare
from asynq_compat.machine.versions import TRANSITIONS
from asynq_compat.ports.history import LogEntry
from asynq_compat.rules.instants import instant_of
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import decode_frame, is_frame

_SHOWN_MAX = 3


def log_entry(entry: Entry) -> LogEntry:
    """Return an entry in words."""
    frame = decode_frame(entry.data) if is_frame(entry.data) else None
    if frame is None:
        record = read_bare(entry.data, entry.headers)
        text = (
            f"unreadable: {record}"
            if isinstance(record, str)
            else f"bare record: {record.message.type} {record.message.id}"
        )
        return _entry(entry, "", 0, [text])
    if isinstance(frame, str):
        return _entry(entry, "", 0, [f"unreadable: {frame}"])
    return _entry(entry, frame.writer_id.hex(), frame.sequence, [command_text(command) for command in frame.commands])


def _entry(entry: Entry, writer: str, sequence: int, commands: Sequence[str]) -> LogEntry:
    at = instant_of(entry.timestamp_ms * 1_000_000)
    return LogEntry(position=entry.position, at=at, writer=writer, sequence=sequence, commands=commands)


def command_text(command: c.Command) -> str:
    """Return a command in words: the name of its transition, and what it is about."""
    code, *items = command
    transition = TRANSITIONS.get(code) if isinstance(code, int) else None
    name = f"unknown command {code!r:.20}" if transition is None else transition.__name__
    match code, items:
        case c.ENQUEUE | c.ENQUEUE_MORE | c.AGGREGATE | c.RUN | c.ARCHIVE | c.DELETE, [list() as ids, *_]:
            about = _shown(ids)
        case c.DELETE_SET, [position, number, enqueueing]:
            about = _set(position, number, enqueueing)
        case c.OPEN, [server_id, slots, _version, credit]:
            about = f"for {server_id!s:.80}: {slots!s:.20} slots, credit {credit!s:.20}"
        case c.SESSION, [session, position, index, credit]:
            about = f"{session!s:.20}: started up to {position!s:.20}.{index!s:.20}, credit {credit!s:.20}"
        case c.SETTLE_RETRY | c.SETTLE_ARCHIVE, [list() as settled]:
            about = _shown([_place(item) for item in settled])
        case c.RECOVER_RETRY | c.RECOVER_ARCHIVE, [list() as settled]:
            about = _shown([_place(item[1:] if isinstance(item, list) else item) for item in settled])
        case c.SETTLE_DONE | c.SETTLE_COMPLETE | c.SETTLE_REQUEUE | c.HAND_BACK, [list() as ranges]:
            about = _shown([_range(item) for item in ranges])
        case c.WRITE_RESULT, [position, index, bytes() as result]:
            about = f"of {position!s:.20}.{index!s:.20}, {len(result)} bytes"
        case c.RUN_ALL | c.ARCHIVE_ALL | c.DELETE_ALL, [state, group, count]:
            about = f"{state!s:.20} {group!s:.80}".rstrip() + f", at most {count!s:.20}"
        case c.UPDATE_PAYLOAD, [task_id, bytes() as payload]:
            about = f"of {task_id!s:.80}, {len(payload)} bytes"
        case c.REMOVE_QUEUE, [force]:
            about = "with its tasks" if force else "if it is empty"
        case c.CLOSE | c.LEAVE, [session]:
            about = f"{session!s:.20}"
        case c.REPLY, [bytes() as writer_id, sequence, *_]:
            about = f"to frame {sequence!s:.20} of {writer_id.hex()[:8]}"
        case _:
            about = ""
    return f"{name} {about}".rstrip()


def _shown(items: Sequence[object]) -> str:
    shown = ", ".join(f"{item:.80}" if isinstance(item, str) else f"{item!r:.80}" for item in items[:_SHOWN_MAX])
    more = f", ... ({len(items)})" if len(items) > _SHOWN_MAX else ""
    return shown + more


def _set(position: object, number: object, enqueueing: object) -> str:
    """A set, and the task that stands for its own."""
    ids = enqueueing[1] if isinstance(enqueueing, list) and len(enqueueing) > 1 else None
    instead = f", enqueue {_shown(ids)}" if isinstance(ids, list) else ""
    return f"{position!s:.20}.{number!s:.20}{instead}"


def _range(item: object) -> str:
    """Tasks lo to hi - 1 of what was assigned at a position."""
    if not isinstance(item, list) or len(item) < 3:
        return f"{item!r:.20}"
    position, lo, hi = item[:3]
    return f"{position}.{lo}" if isinstance(lo, int) and hi == lo + 1 else f"{position}.{lo}-{hi}"


def _place(item: object) -> str:
    """A task by position and index, with the error that is told last but for the count."""
    if not isinstance(item, list):
        return f"{item!r:.20}"
    numbers = [part for part in item if isinstance(part, int)]
    error = next((part for part in item if isinstance(part, str)), "")
    place = ".".join(str(number) for number in numbers[:2])
    return f"{place}: {error}" if error else place
