"""What does a journal say about itself: which one it is, which rules hold, which checkpoints there are?

Contract: the first GENESIS counts. From the entry that activates a machine version on its commands and their meaning hold, and no older
release may take part: so every live session must know it, and one that does not cannot be opened any more.
Not obvious: without a live session nothing is activated, since nobody would be there who knows the version. A genesis that comes late (the
first ones were lost) says nothing about the version: the sessions that live have agreed on one.
"""

from __future__ import annotations

from asynq_compat.machine.applied import Marker, Outcome
from asynq_compat.machine.state import State
from asynq_compat.machine.step import Step, is_int
from asynq_compat.wire.command import BEHIND, DIGEST_BYTES, TRAIL_BYTES, UNKNOWN_VERSION, Command


def genesis(state: State, _: Step, command: Command) -> Outcome | None:
    """The first one says what this journal is; later ones are ignored."""
    if len(command) != 5:
        return None
    _code, journal_id, partition, partition_count, version = command
    if type(journal_id) is not bytes or len(journal_id) != 16:
        return None
    if not (is_int(partition) and is_int(partition_count) and is_int(version)):
        return None
    if not (0 <= partition < partition_count and version >= 1):
        return None
    if state.genesis is None:
        state.genesis = (journal_id, partition, partition_count)
        if not state.sessions:
            state.version = max(state.version, version)
    return 0


def activate(state: State, step: Step, command: Command) -> Outcome | None:
    """From here on another machine version holds."""
    if len(command) != 2 or not is_int(command[1]):
        return None
    version = command[1]
    if version <= state.version:
        return [BEHIND]
    if min((session.newest_version for session in state.sessions.values()), default=0) < version:
        return [UNKNOWN_VERSION]
    state.version = version
    step.notes.append(f"from entry {step.position} on machine version {version} holds")
    return 0


def checkpointed(state: State, step: Step, command: Command) -> Outcome | None:
    """A checkpoint is complete."""
    marker = read_marker(command)
    if marker is None:
        return None
    code = state.markers.take(marker, step.position)
    if code:
        return [code]
    step.marker = marker
    return 0


def read_marker(command: Command) -> Marker | None:
    """Return what a CHECKPOINTED says; None when it is malformed."""
    if len(command) != 5:
        return None
    _, position, digest, first_chunk, trail = command
    if not (is_int(position) and is_int(first_chunk) and position >= 0 and first_chunk >= 0):
        return None
    if (
        type(digest) is not bytes
        or len(digest) != DIGEST_BYTES
        or type(trail) is not bytes
        or len(trail) != TRAIL_BYTES
    ):
        return None
    return Marker(position, digest, first_chunk, trail)
