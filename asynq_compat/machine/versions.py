"""What does each machine version do with each command?

Contract: tables. A version, once released, stays as it is, and every later one keeps the enqueue commands of those before. Version 1 is
that of the first release and grows until then (docs/adr/0022).
"""

from __future__ import annotations

from collections.abc import Mapping

from asynq_compat.machine import admin, bulk, enqueue, group, journal, reply, session, settle
from asynq_compat.machine.step import Transition
from asynq_compat.wire import command as c

TRANSITIONS: dict[int, Transition] = {
    c.GENESIS: journal.genesis,
    c.OPEN: session.open_session,
    c.SESSION: session.renew_session,
    c.CLOSE: session.close_session,
    c.LEAVE: session.leave_partition,
    c.ENQUEUE: enqueue.enqueue,
    c.ENQUEUE_MORE: enqueue.enqueue_more,
    c.SETTLE_DONE: settle.settle_done,
    c.SETTLE_COMPLETE: settle.settle_complete,
    c.SETTLE_RETRY: settle.settle_retry,
    c.SETTLE_ARCHIVE: settle.settle_archive,
    c.SETTLE_REQUEUE: settle.settle_requeue,
    c.HAND_BACK: settle.hand_back,
    c.WRITE_RESULT: settle.write_result,
    c.RECOVER_RETRY: settle.recover_retry,
    c.RECOVER_ARCHIVE: settle.recover_archive,
    c.AGGREGATE: group.aggregate,
    c.DELETE_SET: group.delete_set,
    c.RUN: admin.run_task,
    c.ARCHIVE: admin.archive_task,
    c.DELETE: admin.delete_task,
    c.PAUSE: admin.pause_queue,
    c.UNPAUSE: admin.unpause_queue,
    c.RUN_ALL: bulk.run_all,
    c.ARCHIVE_ALL: bulk.archive_all,
    c.DELETE_ALL: bulk.delete_all,
    c.TICK: admin.tick,
    c.ASK: reply.ask,
    c.REPLY: reply.reply,
    c.CHECKPOINTED: journal.checkpointed,
    c.ACTIVATE: journal.activate,
    c.UPDATE_PAYLOAD: admin.update_payload,
    c.REMOVE_QUEUE: bulk.remove_queue,
}

Versions = Mapping[int, Mapping[int, Transition]]
VERSIONS: Versions = {1: TRANSITIONS}
