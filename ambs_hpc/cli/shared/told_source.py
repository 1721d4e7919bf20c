"""The work of `ambs tell`: read a source, compare it with the campaign, store it, say what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.campaign import SearchSettings, define_campaign, open_campaign
from ambs_hpc.campaign.given_rows import GivenRows
from ambs_hpc.campaign.told_results import FittedResults, fit_results, tell_results, unknown_results
from ambs_hpc.cli.shared.options import named_campaign, open_engine
from ambs_hpc.cli.shared.output import cell, print_json
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.errors import DatabaseRefused, NotFound, UsageError
from ambs_hpc.observations import is_storage, read_observations
from ambs_hpc.problem import load_problem
from ambs_hpc.problem.goals import goals_of, named_objectives
from ambs_hpc.queue import find_campaign, list_campaigns, reading

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign, NewCampaign

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ToldSource:
    """A source of results, and how it is to be read; see `observations.read_observations`."""

    source: str
    objective: str | None
    renamed: Mapping[str, str]
    study: str | None
    ignored: Sequence[str]
    negate: bool | None

    def tell(
        self,
        campaign: str,
        settings: SearchSettings,
        db: str | None,
        *,
        skip_refused: bool,
        dry_run: bool,
        as_json: bool,
    ) -> None:
        """Tell the results to the campaign of that name or problem file, and print what became of them.

        Raises:
            UsageError: rows are refused and not to be skipped, or nothing can be told; nothing is stored.
        """
        wanted = define_campaign(load_problem(Path(campaign)), settings) if is_file(campaign) else None
        engine, found = _found(campaign, wanted, db)
        definition = found.definition if found else wanted
        assert definition is not None
        rows = read_observations(
            self.source,
            objective=self.objective or (None if is_storage(self.source) else _first_of(definition)),
            renamed=self.renamed,
            study=self.study,
        )
        fitted = fit_results(definition, rows, negate=self.negate, ignored=self.ignored)
        if fitted.refused and not skip_refused:
            raise UsageError(_refusal(fitted))
        if dry_run:
            stored = GivenRows(engine, found.id).rows() if engine and found else []
            number = len(unknown_results(stored, fitted.results, definition))
        else:
            if wanted is not None:
                engine = open_engine(db, create=True)
                # One that is there stays as it is: the file only names it.
                found = found or open_campaign(engine, wanted, settings)
            assert engine is not None
            assert found is not None
            number = len(tell_results(engine, found, fitted.results))
        _print(definition, fitted, number, dry_run=dry_run, as_json=as_json)


def _first_of(definition: NewCampaign) -> str | None:
    """The column of the first objective, where it has a name."""
    return next(iter(named_objectives(definition.problem)), None)


def is_file(campaign: str) -> bool:
    """Whether the argument means a problem file and not a name."""
    return campaign.endswith(".py")


def _found(
    campaign: str, wanted: NewCampaign | None, db: str | None
) -> tuple[Engine | None, Campaign | None]:
    """The database and the campaign in it, as far as they are there."""
    try:
        engine = open_engine(db)
    except DatabaseRefused:
        if wanted is None:
            raise
        return None, None  # it is made with the campaign
    with reading(engine) as connection:
        if wanted is not None:
            return engine, find_campaign(connection, wanted.name)
        if not list_campaigns(connection):
            raise NotFound(
                f"There is no campaign {campaign!r}, nor any other. Give its problem file instead, and it is "
                "made: ambs tell PROBLEM.py FILE."
            )
        return engine, named_campaign(connection, campaign)


def _unknown_metrics(definition: NewCampaign, fitted: FittedResults) -> Counter[str]:
    """How many results have no number of each metric that has a bound."""
    goals = goals_of(definition.problem, definition.direction)
    results = [one for one in fitted.results if one.objective is not None]
    feasible = [goals.feasibility(one.objective, one.metrics) for one in results]
    return Counter(name for one in feasible for name in one.unknown)


def _refusal(fitted: FittedResults) -> str:
    shown = "\n  ".join(_refused_lines(fitted))
    others = f", or give --skip-refused to tell the other {len(fitted.results)}" if fitted.results else ""
    return f"{len(fitted.refused)} rows are refused, nothing is told:\n  {shown}\nCorrect them{others}."


def _refused_lines(fitted: FittedResults) -> list[str]:
    """What is wrong, whole, once for all rows with which the same is."""
    alike = fitted.refused_alike
    lines = [
        f"{message} (and {number - 1} more like it)" if number > 1 else message
        for message, number in alike[:MOST_SHOWN]
    ]
    rest = sum(number for _, number in alike[MOST_SHOWN:])
    return [*lines, f"and {rest} for other reasons: --json lists all"] if rest else lines


def _print(
    definition: NewCampaign, fitted: FittedResults, number: int, *, dry_run: bool, as_json: bool
) -> None:
    known = len(fitted.results) - number
    if as_json:
        print_json(
            {
                "campaign": definition.name,
                "dry_run": dry_run,
                "told": number,
                "known": known,
                "skipped": [{"place": place, "why": why} for place, why in fitted.skipped],
                "refused": list(fitted.refused),
                "ignored": list(fitted.ignored),
            }
        )
        return
    verb = "would be told" if dry_run else "told"
    failed = sum(one.objective is None for one in fitted.results)
    parts = [f"{number} results {verb}"]
    parts += [f"{known} known already"] if known else []
    parts += [f"{len(fitted.skipped)} skipped"] if fitted.skipped else []
    parts += [f"{len(fitted.refused)} refused"] if fitted.refused else []
    write(f"{cell(definition.name)}: {', '.join(parts)}\n")
    if failed:
        write(f"  {failed} of the {len(fitted.results)} failed there\n")
    for metric, times in _unknown_metrics(definition, fitted).items():
        write(f"  {times} of them have no {cell(metric)}: whether they keep its bound is not known\n")
    for why, times in Counter(why for _, why in fitted.skipped).most_common(MOST_SHOWN):
        place = next(place for place, said in fitted.skipped if said == why)
        write(f"  skipped {times} x: {cell(why)} ({cell(place)})\n")
    for line in _refused_lines(fitted):
        write(f"  refused {cell(line)}\n")
    if fitted.ignored:
        write(f"  columns that are no parameters: {cell(', '.join(fitted.ignored))}\n")
