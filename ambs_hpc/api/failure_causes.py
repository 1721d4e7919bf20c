"""The failures of a campaign, each signature with the rules that explain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ambs_hpc.api.learned_rows import LearnedRows
from ambs_hpc.insight.evaluation_columns import evaluation_columns
from ambs_hpc.insight.failure_rules import FailureRule, failure_rules, suspicion
from ambs_hpc.insight.remedies import remedies, remedy_of_rule
from ambs_hpc.queue import failure_words, failures, reading, sampled_results, stored_failures
from ambs_hpc.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine

    from ambs_hpc.queue import FailureGroup, FailureWords, StoredFailure, StoredResult
    from ambs_hpc.records import Campaign

MOST_FAILURES_READ, MOST_OF_A_SIGNATURE, MOST_RESULTS = 20_000, 1000, 2000


@dataclass(frozen=True, slots=True)
class FailureCause:
    """Failures that look alike, and under which configurations they come.

    Args:
        words: their last line, or that of the newest where these differ.
        rules: the one that explains most first; none where configurations explain nothing.
        suspicion: where there is no rule, what all failures share and no success has, which is not sure.
        failed, succeeded: evaluations that were compared, all within the space as it is now.
        all_succeeded: those that there are; where they are more, rates among those compared are not those of
            the campaign.
        rule_commands: for each rule the command that takes it out of the space; None where there is none,
            and where too much of it succeeds.
        steps: what to do, the commands among them.
    """

    group: FailureGroup
    words: FailureWords
    rules: tuple[FailureRule, ...]
    suspicion: FailureRule | None
    failed: int
    succeeded: int
    all_succeeded: int
    rule_commands: tuple[str | None, ...]
    steps: tuple[str, ...]


def failure_causes(engine: Engine, campaign: Campaign, most: int) -> list[FailureCause]:
    """The most frequent signatures of a campaign's failures with their causes.

    Failures are compared with successes: what failed for another reason does not show this one.

    Args:
        most: signatures at most.
    """
    with reading(engine) as connection:
        groups = failures(connection, campaign.id)[:most]
        said = failure_words(connection, campaign.id, groups)
        failed = stored_failures(connection, campaign.id, MOST_FAILURES_READ)
        sampled = sampled_results(connection, campaign.id, MOST_RESULTS, imported=False)
    if not groups:
        return []
    found, learned = [], LearnedRows(campaign)
    failed, succeeded = learned.of(failed), learned.of(sampled.results)
    with one_thread():  # several spin on matrices this small, and on a login node they are others' cores
        for group, words in zip(groups, said, strict=True):
            alike = [row for row in failed if (row.kind, row.signature) == (group.kind, group.signature)]
            compared = _Compared(alike[-MOST_OF_A_SIGNATURE:], succeeded, sampled.number)
            found.append(_cause(campaign.name, learned.space, group, words, compared))
    return found


class _Compared(NamedTuple):
    """What one signature is looked for in: its failures, and successes out of `all_succeeded`."""

    failed: Sequence[StoredFailure]
    succeeded: Sequence[StoredResult]
    all_succeeded: int


def _cause(
    campaign: str, space: Mapping[str, Any], group: FailureGroup, words: FailureWords, compared: _Compared
) -> FailureCause:
    failed, succeeded, all_succeeded = compared
    rows: list[StoredFailure | StoredResult] = [*failed, *succeeded]
    columns = evaluation_columns(space, [row.configuration for row in rows], [row.node for row in rows])
    is_failed = np.arange(len(rows)) < len(failed)
    rules = failure_rules(columns, is_failed) if succeeded else []
    return FailureCause(
        group,
        words,
        tuple(rules),
        suspicion(columns, is_failed) if succeeded and not rules else None,
        len(failed),
        len(succeeded),
        all_succeeded,
        tuple(remedy_of_rule(rule, space, campaign) for rule in rules),
        tuple(remedies(group.kind, group.example_id, campaign)),
    )
