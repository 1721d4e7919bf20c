"""The evaluations table, its verbs and its reads, on PostgreSQL and SQLite alike.

Verbs and reads take a connection first and never commit: `transaction` and `reading` do.
"""

from ambs_hpc.queue.reads.allocations import (
    OVER,
    PREPARED,
    REFUSED,
    UNSENT,
    VANISHED,
    get_allocation,
    is_scheduler_id_taken,
    list_allocations,
)
from ambs_hpc.queue.reads.attempts import AttemptSpan, LauncherSpan, attempts_of, launchers_of
from ambs_hpc.queue.reads.best_results import (
    JudgedResult,
    best,
    front,
    goals_of_stored,
    ids_of_best,
    ids_of_front,
    judged_results,
)
from ambs_hpc.queue.reads.campaigns import find_campaign, get_campaign, is_search_alive, list_campaigns
from ambs_hpc.queue.reads.database_identity import campaign_uid, database_uid
from ambs_hpc.queue.reads.ended_runs import EndedRun, ended_runs
from ambs_hpc.queue.reads.insights import (
    SampledResults,
    StoredFailure,
    StoredResult,
    ended_before,
    pending_before,
    sampled_results,
    stored_failures,
    waiting_ahead,
)
from ambs_hpc.queue.reads.launchers import holders, last_launcher, live_launchers, running_in
from ambs_hpc.queue.reads.leases import Lease, ended_attempts, held
from ambs_hpc.queue.reads.node_verdicts import (
    MEMORY_SECONDS,
    MOST_FAILURES,
    NodeVerdict,
    StoredNodeEvent,
    is_left_out,
    node_events,
    node_verdicts,
    site_of_allocation,
)
from ambs_hpc.queue.reads.report_curve import Report, report_counts, reports_of
from ambs_hpc.queue.reads.reports import (
    SORTS,
    EvaluationRow,
    EvaluationStory,
    Event,
    FailureGroup,
    Throughput,
    failures,
    first_proposal,
    list_evaluations,
    result_note,
    show_evaluation,
    throughput,
)
from ambs_hpc.queue.reads.revisions import (
    NOTHING_SEEN,
    CampaignVersion,
    StoredConfiguration,
    campaign_version,
    configurations_of,
    last_revision,
    revisions_of,
)
from ambs_hpc.queue.reads.search_feed import (
    Marks,
    Proposed,
    finished_since,
    marks_of,
    proposals_of,
    recent_run_seconds,
)
from ambs_hpc.queue.reads.sources import (
    SourceSummary,
    proposed_from_sources,
    source_summaries,
    sources_of,
)
from ambs_hpc.queue.reads.sql_console import run_read_only_sql
from ambs_hpc.queue.sql.clock import read_now
from ambs_hpc.queue.sql.engine import database_url, open_database, upgrade_database
from ambs_hpc.queue.sql.notify import NotifyChannel, close_waits, wait_for_change
from ambs_hpc.queue.sql.transactions import patient, reading, transaction
from ambs_hpc.queue.verbs.allocations import (
    note_allocation_state,
    note_refused,
    note_submitted,
    prepare_allocation,
)
from ambs_hpc.queue.verbs.campaigns import (
    create_campaign,
    leave_search,
    search_heartbeat,
    take_search,
)
from ambs_hpc.queue.verbs.cancel_rerun import cancel, rerun
from ambs_hpc.queue.verbs.claim import claim, enqueue, has_ready, note_nodes
from ambs_hpc.queue.verbs.counters import counts, lock_campaigns_of
from ambs_hpc.queue.verbs.given_evaluations import import_results, next_given_ordinal
from ambs_hpc.queue.verbs.launchers import (
    end_future_heartbeats,
    end_launcher,
    heartbeat,
    register_launcher,
)
from ambs_hpc.queue.verbs.node_event_log import forgive_node, record_node_events
from ambs_hpc.queue.verbs.release import release
from ambs_hpc.queue.verbs.report_intake import NewReport, add_reports
from ambs_hpc.queue.verbs.results import complete, fail
from ambs_hpc.queue.verbs.revisions import (
    OUTSIDE_OF_SPACE,
    NewRevision,
    lock_for_revision,
    renew_waiting,
    revise_waiting,
    store_revision,
)
from ambs_hpc.queue.verbs.source_intake import add_source
from ambs_hpc.queue.verbs.sweep import Evidence, Released, held_by_dead, sweep
from ambs_hpc.queue.verbs.takeover import adopt

__all__ = [
    "MEMORY_SECONDS",
    "MOST_FAILURES",
    "NOTHING_SEEN",
    "OUTSIDE_OF_SPACE",
    "OVER",
    "PREPARED",
    "REFUSED",
    "SORTS",
    "UNSENT",
    "VANISHED",
    "AttemptSpan",
    "CampaignVersion",
    "EndedRun",
    "EvaluationRow",
    "EvaluationStory",
    "Event",
    "Evidence",
    "FailureGroup",
    "JudgedResult",
    "LauncherSpan",
    "Lease",
    "Marks",
    "NewReport",
    "NewRevision",
    "NodeVerdict",
    "NotifyChannel",
    "Proposed",
    "Released",
    "Report",
    "SampledResults",
    "SourceSummary",
    "StoredConfiguration",
    "StoredFailure",
    "StoredNodeEvent",
    "StoredResult",
    "Throughput",
    "add_reports",
    "add_source",
    "adopt",
    "attempts_of",
    "best",
    "campaign_uid",
    "campaign_version",
    "cancel",
    "claim",
    "close_waits",
    "complete",
    "configurations_of",
    "counts",
    "create_campaign",
    "database_uid",
    "database_url",
    "end_future_heartbeats",
    "end_launcher",
    "ended_attempts",
    "ended_before",
    "ended_runs",
    "enqueue",
    "fail",
    "failures",
    "find_campaign",
    "finished_since",
    "first_proposal",
    "forgive_node",
    "front",
    "get_allocation",
    "get_campaign",
    "goals_of_stored",
    "has_ready",
    "heartbeat",
    "held",
    "held_by_dead",
    "holders",
    "ids_of_best",
    "ids_of_front",
    "import_results",
    "is_left_out",
    "is_scheduler_id_taken",
    "is_search_alive",
    "judged_results",
    "last_launcher",
    "last_revision",
    "launchers_of",
    "leave_search",
    "list_allocations",
    "list_campaigns",
    "list_evaluations",
    "live_launchers",
    "lock_campaigns_of",
    "lock_for_revision",
    "marks_of",
    "next_given_ordinal",
    "node_events",
    "node_verdicts",
    "note_allocation_state",
    "note_nodes",
    "note_refused",
    "note_submitted",
    "open_database",
    "patient",
    "pending_before",
    "prepare_allocation",
    "proposals_of",
    "proposed_from_sources",
    "read_now",
    "reading",
    "recent_run_seconds",
    "record_node_events",
    "register_launcher",
    "release",
    "renew_waiting",
    "report_counts",
    "reports_of",
    "rerun",
    "result_note",
    "revise_waiting",
    "revisions_of",
    "run_read_only_sql",
    "running_in",
    "sampled_results",
    "search_heartbeat",
    "show_evaluation",
    "site_of_allocation",
    "source_summaries",
    "sources_of",
    "store_revision",
    "stored_failures",
    "sweep",
    "take_search",
    "throughput",
    "transaction",
    "upgrade_database",
    "wait_for_change",
    "waiting_ahead",
]
