"""All that a report shows of a campaign: what is stored, and what is learned from it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ambs_hpc import queue
from ambs_hpc.api.failure_causes import FailureCause, failure_causes
from ambs_hpc.api.learned_rows import LearnedRows
from ambs_hpc.errors import RowUnusable
from ambs_hpc.hints import pasteable
from ambs_hpc.insight.functional_anova import MOST_ROWS, importance_of
from ambs_hpc.insight.rule_words import exact_words, leaving_out, suspicion_line
from ambs_hpc.reporting.html.campaign_record import CampaignRecord, ExplainedFailure, read_campaign
from ambs_hpc.reporting.html.document import report_html
from ambs_hpc.reporting.html.partial_dependence import FEWEST_RESULTS
from ambs_hpc.states import State

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sqlalchemy import Engine

    from ambs_hpc.insight.functional_anova import Importance
    from ambs_hpc.records import Campaign

EXPLAINED_SIGNATURES, INTERACTIONS_OF = 10, 5


def report_record(engine: Engine, campaign: Campaign) -> CampaignRecord:
    """The record of one campaign with the importance of its parameters and the rules of its failures.

    Raises:
        NotFound: the campaign has gone.
    """
    with without_collector():
        with queue.reading(engine) as connection:
            record = read_campaign(connection, campaign)
        newest = record.campaign
        try:
            causes = failure_causes(engine, newest, EXPLAINED_SIGNATURES) if record.failures else []
            importance = _importance(engine, newest)
        except RowUnusable as fault:  # no space that can be built: somebody may have stored another
            queue.tell_fault(fault)
            return record
    return replace(record, importance=importance, explained=tuple(map(_explained, causes)))


@contextmanager
def without_collector() -> Iterator[None]:
    """Look for no cycles of objects meanwhile: among a million new ones that takes a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def live_page(engine: Engine, campaign: Campaign, version: int) -> str:
    """The report as a server sends it.

    Raises:
        NotFound: the campaign has gone.
    """
    with without_collector():
        return report_html(report_record(engine, campaign), live_version=version)


def page_stamp(engine: Engine, campaign_id: int) -> Hashable:
    """What differs where the report would: a move of an evaluation, a revision, a minute while one runs."""
    with queue.reading(engine) as connection:
        is_running = queue.counts(connection, campaign_id)[State.RUNNING] > 0
        minute = int(queue.read_now(connection) // 60) if is_running else 0
        return queue.last_event_id(connection), queue.campaign_version(connection, campaign_id), minute


def _importance(engine: Engine, campaign: Campaign) -> Importance | None:
    """None where too little is known."""
    with queue.reading(engine) as connection:
        sampled = queue.sampled_results(connection, campaign.id, MOST_ROWS)
    learned = LearnedRows(campaign)
    rows = learned.of(sampled.results)
    if len(rows) < FEWEST_RESULTS:
        return None
    configurations, objectives = [row.configuration for row in rows], [row.objective for row in rows]
    return importance_of(learned.space, configurations, objectives, top=INTERACTIONS_OF)


def _explained(cause: FailureCause) -> ExplainedFailure:
    group = cause.group
    rules = [
        (
            rule.words,
            rule.failed,
            rule.all_failed,
            rule.precision,
            exact_words(rule),
            leaving_out(rule),
            pasteable(told or ""),
        )
        for rule, told in zip(cause.rules, cause.rule_commands, strict=True)
    ]
    suspected = "" if cause.suspicion is None else suspicion_line(cause.suspicion, cause.succeeded)
    steps = tuple(map(pasteable, cause.steps))
    return ExplainedFailure(group.kind, group.signature, tuple(rules), steps, suspected)
