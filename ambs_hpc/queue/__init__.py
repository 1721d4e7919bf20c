"""The evaluations table and its verbs, on PostgreSQL and SQLite alike.

Verbs take a connection first and never commit: `transaction` and `reading` do.
"""

from ambs_hpc.queue.adoption import adopt
from ambs_hpc.queue.allocations import (
    OVER,
    PREPARED,
    UNSENT,
    VANISHED,
    get_allocation,
    list_allocations,
    note_allocation_state,
    note_refused,
    note_submitted,
    prepare_allocation,
)
from ambs_hpc.queue.campaigns import (
    change_budget,
    create_campaign,
    find_campaign,
    get_campaign,
    is_search_alive,
    leave_search,
    list_campaigns,
    search_heartbeat,
    take_search,
)
from ambs_hpc.queue.claims import claim, enqueue, has_ready
from ambs_hpc.queue.connect import database_url, open_database, upgrade_database
from ambs_hpc.queue.giving_back import release
from ambs_hpc.queue.interventions import cancel, rerun
from ambs_hpc.queue.launchers import (
    end_launcher,
    heartbeat,
    last_launcher,
    live_launchers,
    register_launcher,
    running_in,
)
from ambs_hpc.queue.notices import Channel, close_waits, wait_for_change
from ambs_hpc.queue.polling import Proposed, finished_since, proposals_of, recent_run_seconds
from ambs_hpc.queue.progress import counts
from ambs_hpc.queue.queries import (
    SORTS,
    EvaluationRow,
    EvaluationStory,
    Event,
    FailureGroup,
    Throughput,
    best,
    failures,
    list_evaluations,
    show_evaluation,
    throughput,
)
from ambs_hpc.queue.read_only import run_read_only_sql
from ambs_hpc.queue.results import complete, fail
from ambs_hpc.queue.server import ServerOptions, ServerStatus, server_status, start_server, stop_server
from ambs_hpc.queue.sweep import Evidence, Held, Swept, ended_attempts, held, held_by_dead, holders, sweep
from ambs_hpc.queue.transactions import reading, transaction

__all__ = [
    "OVER",
    "PREPARED",
    "SORTS",
    "UNSENT",
    "VANISHED",
    "Channel",
    "EvaluationRow",
    "EvaluationStory",
    "Event",
    "Evidence",
    "FailureGroup",
    "Held",
    "Proposed",
    "ServerOptions",
    "ServerStatus",
    "Swept",
    "Throughput",
    "adopt",
    "best",
    "cancel",
    "change_budget",
    "claim",
    "close_waits",
    "complete",
    "counts",
    "create_campaign",
    "database_url",
    "end_launcher",
    "ended_attempts",
    "enqueue",
    "fail",
    "failures",
    "find_campaign",
    "finished_since",
    "get_allocation",
    "get_campaign",
    "has_ready",
    "heartbeat",
    "held",
    "held_by_dead",
    "holders",
    "is_search_alive",
    "last_launcher",
    "leave_search",
    "list_allocations",
    "list_campaigns",
    "list_evaluations",
    "live_launchers",
    "note_allocation_state",
    "note_refused",
    "note_submitted",
    "open_database",
    "prepare_allocation",
    "proposals_of",
    "reading",
    "recent_run_seconds",
    "register_launcher",
    "release",
    "rerun",
    "run_read_only_sql",
    "running_in",
    "search_heartbeat",
    "server_status",
    "show_evaluation",
    "start_server",
    "stop_server",
    "sweep",
    "take_search",
    "throughput",
    "transaction",
    "upgrade_database",
    "wait_for_change",
]
