"""All that a report tells of a campaign, read in one transaction; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ambs_hpc import __version__, queue
from ambs_hpc.insight.functional_anova import Importance
from ambs_hpc.records import Allocation, Campaign, CampaignRevision
from ambs_hpc.states import FailureKind


@dataclass(frozen=True, slots=True)
class ExplainedFailure:
    """Failures of one kind and signature, and under which configurations they come.

    Args:
        rules: of each its words, how many of the failures it holds, of how many that were compared, the share
            of failures among all that it holds, what makes it exact or "", and what the command does that
            takes it out of the space, and this, "" for none.
        suspicion: without rules, a sentence on what is suspected; "" for nothing.
        steps: what to do, the commands among them.
    """

    kind: FailureKind
    signature: str
    rules: tuple[tuple[str, int, int, float, str, str, str], ...]
    steps: tuple[str, ...]
    suspicion: str = ""


@dataclass(frozen=True, slots=True)
class CampaignRecord:
    """A campaign with its evaluations and what ran them.

    Args:
        at: when it was read, seconds since 1970 UTC by the database's clock.
        database: as a person may see it, without its password.
        node_seconds: that its evaluations had for themselves, all attempts counted that have ended.
        allocations: all of the database, the newest first; they may have served other campaigns.
        provenance: what its search and launchers found of sources and programs, oldest first.
        version: of ambs_hpc that read it.
        importance: of the parameters; None where too little is known.
        explained: the failures that were looked into.
    """

    campaign: Campaign
    at: float
    database: str
    database_uid: str
    evaluations: Sequence[queue.EvaluationRow]
    attempts: Sequence[queue.AttemptSpan]
    launchers: Sequence[queue.LauncherSpan]
    allocations: Sequence[Allocation]
    failures: Sequence[queue.FailureGroup]
    revisions: Sequence[CampaignRevision]
    throughput: queue.Throughput
    node_seconds: float
    provenance: Sequence[queue.ProvenanceUse] = ()
    version: str = __version__
    importance: Importance | None = None
    explained: Sequence[ExplainedFailure] = ()


def read_campaign(connection: Connection, campaign: Campaign) -> CampaignRecord:
    """The record of one campaign; at 100 000 evaluations it takes seconds and some hundred MB.

    Raises:
        NotFound: the campaign has gone.
    """
    return CampaignRecord(
        campaign=queue.get_campaign(connection, campaign.id),
        at=queue.read_now(connection),
        database=connection.engine.url.render_as_string(hide_password=True),
        database_uid=queue.database_uid(connection) or "",
        evaluations=queue.list_evaluations(connection, campaign.id, limit=None),
        attempts=queue.attempts_of(connection, campaign.id),
        launchers=queue.launchers_of(connection, campaign.id),
        allocations=queue.list_allocations(connection),
        failures=queue.failures(connection, campaign.id),
        revisions=queue.revisions_of(connection, campaign.id),
        throughput=queue.throughput(connection, campaign.id),
        node_seconds=queue.attempted_node_seconds(connection, campaign.id),
        provenance=queue.provenance_of(connection, campaign.id),
    )
