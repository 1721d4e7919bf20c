"""Results of elsewhere become part of a campaign: all that fit its space, each of them once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from ambs_hpc.campaign.carry_over import WAS
from ambs_hpc.campaign.given_rows import GivenRows, configuration_key
from ambs_hpc.errors import ProblemError, UsageError, nearest
from ambs_hpc.observations import RawObservation, RowEnding, SpaceFit
from ambs_hpc.problem.goals import OBJECTIVE, Goals, goals_of, named_objectives
from ambs_hpc.problem.space import in_stored_order, space_from_json, stored_space
from ambs_hpc.queue import EvaluationRow, import_results
from ambs_hpc.records import IMPORTED, Configuration, ImportedResult, NewCampaign
from ambs_hpc.states import FailureKind, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign, Value

SAME_OBJECTIVE = 1e-12  # relative difference below which an objective was only printed differently


@dataclass(frozen=True, slots=True)
class FittedResults:
    """What a source holds, compared with a campaign's space.

    Args:
        results: those that can be told, in the order of the source.
        skipped: (place, why) of rows that say nothing: not ended, pruned, no objective.
        refused: messages of rows that are wrong, each with its place, field, value and what is accepted.
        ignored: columns that are no parameters.
        causes: of each that is refused, what it has in common with others: the field and what is accepted.
    """

    results: tuple[ImportedResult, ...]
    skipped: tuple[tuple[str, str], ...]
    refused: tuple[str, ...]
    ignored: tuple[str, ...]
    causes: tuple[str, ...] = ()

    @property
    def refused_alike(self) -> list[tuple[str, int]]:
        """Of the refused that have one cause the first message, and how many they are; the most first."""
        first: dict[str, str] = {}
        for cause, message in zip(self.causes, self.refused, strict=True):
            first.setdefault(cause, message)
        return [(first[cause], number) for cause, number in Counter(self.causes).most_common()]


def fit_results(
    definition: NewCampaign,
    rows: Sequence[RawObservation],
    *,
    negate: bool | None = None,
    ignored: Iterable[str] = (),
) -> FittedResults:
    """Compare what a source holds with a campaign's space and direction; nothing is stored.

    A row without a parameter that was added to the campaign later has the value with which the campaign's
    own evaluations count that ran without it.

    Args:
        negate: turn the sign of every objective; None where source and campaign must agree on the direction.
        ignored: parameters of the source that the space does not have and that do not matter.

    Raises:
        UsageError: no row can be taken as things are: another direction, unknown or missing parameters,
            several campaigns; or one to be ignored is a parameter of the space.
    """
    space = stored_space(definition.problem, definition.name)
    fit = _LegalFit(SpaceFit(space_from_json(space), _was(definition)))
    _check_campaigns(rows)
    _check_direction(definition, rows, negate)
    names = _check_names(definition, fit.space_fit, rows, set(ignored))
    taken = {*named_objectives(definition.problem), *_bounded(definition)}
    left_out = [name for name in names if name not in taken]
    results: list[ImportedResult] = []
    skipped: list[tuple[str, str]] = []
    refused: list[str] = []
    causes: list[str] = []
    for row in rows:
        if row.ending is RowEnding.SKIPPED:
            skipped.append((row.place, row.words))
        elif row.ending is RowEnding.REFUSED:
            refused.append(f"{row.place}: {row.words}")
            causes.append(row.words)
        else:
            try:
                fitted = in_stored_order(fit.configuration(row), space)
                result = _result(row, fitted, bool(negate))
                results.append(with_objectives(definition, row, result))
            except ProblemError as error:
                refused.append(str(error))
                causes.append(f"{error.field}: {error.remedy}")
    return FittedResults(*(tuple(results), tuple(skipped), tuple(refused), tuple(left_out), tuple(causes)))


def with_objectives(definition: NewCampaign, row: RawObservation, result: ImportedResult) -> ImportedResult:
    """The result with what the goals read among its metrics: named objectives, and metrics with bounds.

    Raises:
        ProblemError: the row has no number for an objective.
    """
    names = named_objectives(definition.problem)
    if result.objective is None:
        return result
    cells = {**row.values, **row.metrics}
    bounded = {name: _number(cells.get(name)) for name in _bounded(definition)}
    known = {name: number for name, number in bounded.items() if number is not None}
    result = replace(result, metrics={**row.metrics, **known})
    if not names:
        return result
    # The first one is that of the column that was chosen, and has the sign that was wanted.
    numbers = {name: _number(cells.get(name)) for name in names} | {names[0]: result.objective}
    missing = [name for name, number in numbers.items() if number is None]
    if missing:
        name, there = missing[0], ", ".join(map(str, cells))
        remedy = f"Give a number for {', '.join(names)}"
        if name in cells:
            raise ProblemError(row.place, name, f"is {cells[name]!r}", remedy)
        remedy += f"; --map OLD={name} if it has another name there"
        raise ProblemError(row.place, name, f"is missing: there is {there}", remedy)
    return replace(result, objective=numbers[names[0]], metrics={**result.metrics, **numbers})


def _bounded(definition: NewCampaign) -> list[str]:
    """The metrics with bounds that a table may have by their names: no parameter is called so."""
    goals = goals_of(definition.problem, definition.direction)
    space = stored_space(definition.problem, definition.name)
    others = {OBJECTIVE, *(str(one["name"]) for one in space["hyperparameters"])}
    return [name for name in goals.metrics if name not in others]


def _number(value: object) -> float | None:
    """The cell as a finite number."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # it says so
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def tell_results(engine: Engine, campaign: Campaign, results: Sequence[ImportedResult]) -> list[int]:
    """Store the results that the campaign does not know yet; returns the ids of the new ones.

    Repeated, it stores nothing more, so that it may be repeated after any interruption.

    Args:
        campaign: as it was when the results were fitted into its space.

    Raises:
        CampaignConflict: somebody has changed its space since; nothing was stored.
    """
    return GivenRows(engine, campaign.id).store(
        lambda rows: unknown_results(rows, results, campaign.definition),
        lambda connection, _, new: import_results(connection, campaign.id, new),
        campaign,
    )


def unknown_results(
    rows: Iterable[EvaluationRow], results: Sequence[ImportedResult], definition: NewCampaign
) -> list[ImportedResult]:
    """Those of the results that say something new about a configuration.

    What this campaign has measured itself stands, whatever was measured elsewhere. Elsewhere, results are
    the same where all objectives and all metrics with bounds are.
    """
    goals = goals_of(definition.problem, definition.direction)
    known: dict[str, list[_Said]] = {}
    for row in rows:
        if row.state in (State.DONE, State.FAILED):
            said = _said(goals, row.objective, row.metrics)
            own = said._replace(is_own=row.proposal_kind != IMPORTED)
            known.setdefault(configuration_key(row.configuration), []).append(own)
    new: list[ImportedResult] = []
    for result in results:
        before = known.setdefault(configuration_key(result.configuration), [])
        says = _said(goals, result.objective, result.metrics)
        if not any(_covers(one, says) for one in before):
            before.append(says)
            new.append(result)
    return new


class _Said(NamedTuple):
    """What is known of a configuration: its objectives and its metrics with bounds; none of a failure."""

    objective: float | None
    numbers: tuple[float | None, ...]
    is_own: bool = False


def _said(goals: Goals, objective: float | None, metrics: Mapping[str, object]) -> _Said:
    names = (*goals.names[1:], *goals.metrics)
    return _Said(objective, tuple(goals.value(name, objective, metrics) for name in names))


def _covers(known: _Said, said: _Said) -> bool:
    """Whether what is known makes another result superfluous."""
    if said.objective is None:
        return True  # it is known with a value, or as a failure
    if known.objective is None:
        return False
    pairs = zip((known.objective, *known.numbers), (said.objective, *said.numbers), strict=True)
    return known.is_own or all(_is_same(one, other) for one, other in pairs)


def _is_same(known: float | None, said: float | None) -> bool:
    if said is None or known is None:
        return said is None
    return math.isclose(known, said, rel_tol=SAME_OBJECTIVE, abs_tol=0.0)


class _LegalFit:
    """Fits rows into a space, and makes sure that the search will take them."""

    def __init__(self, space_fit: SpaceFit) -> None:
        from ambs_hpc.search.encoding import Encoding

        self.space_fit = space_fit
        self._encoding = Encoding(space_fit.space)

    def configuration(self, row: RawObservation) -> Configuration:
        fitted = self.space_fit.configuration(row.values, row.place)
        try:
            encoded = self._encoding.encode(fitted)
        except ValueError as error:
            raise ProblemError(row.place, "configuration", str(error), "Give a legal one") from error
        if not self._encoding.constraints.allowed(encoded[None])[0]:
            raise ProblemError(row.place, "configuration", f"{fitted} is forbidden", "Leave it out")
        return fitted


def _was(definition: NewCampaign) -> Mapping[str, Value | None]:
    return cast("Mapping[str, Value | None]", definition.problem.get(WAS, {}))


def _result(row: RawObservation, configuration: Configuration, negate: bool) -> ImportedResult:
    result = ImportedResult(configuration, row.objective, metrics=row.metrics, source=row.place)
    if row.objective is None:
        bad = FailureKind.BAD_RESULT if row.words.startswith("objective") else FailureKind.ERROR
        kind = FailureKind(row.failure_kind) if row.failure_kind else bad
        return replace(result, failure=kind, error=row.words)
    return replace(result, objective=-row.objective) if negate else result


def _check_campaigns(rows: Sequence[RawObservation]) -> None:
    names = sorted({row.campaign for row in rows if row.campaign})
    if len(names) > 1:
        raise UsageError(
            f"The table holds evaluations of several campaigns ({', '.join(names)}). Export the one that is "
            f"meant: ambs export csv --campaign {names[0]}."
        )


def _check_direction(definition: NewCampaign, rows: Sequence[RawObservation], negate: bool | None) -> None:
    others = {row.direction for row in rows if row.direction} - {definition.direction}
    names = named_objectives(definition.problem)
    has_several = len(names) > 1
    if negate and has_several:
        raise UsageError(
            f"--negate turns the sign of one objective, and campaign {definition.name!r} has "
            f"{', '.join(names)}. Turn the columns that are meant in the table, and give --no-negate."
        )
    if negate is None and others:
        which = f"{names[0]} of " if names else ""
        turn = (
            "Turn the columns that are meant in the table, and give"
            if has_several
            else "Give --negate to turn the sign of every objective (0.9 becomes -0.9), or"
        )
        raise UsageError(
            f"The results were {others.pop()}d, {which}campaign {definition.name!r} is "
            f"{definition.direction}d. {turn} --no-negate to take them as they are."
        )


def _check_names(
    definition: NewCampaign, fit: SpaceFit, rows: Sequence[RawObservation], ignored: set[str]
) -> list[str]:
    """The columns that are left out."""
    usable = [row for row in rows if row.ending in (RowEnding.DONE, RowEnding.FAILED)]
    parameters = fit.unknown(name for row in usable if row.is_exact for name in row.values)
    strangers = [name for name in parameters if name not in ignored]
    if strangers:
        name = strangers[0]
        raise UsageError(
            f"{', '.join(strangers)}: no parameter of campaign {definition.name!r}. Give --map {name}=NAME "
            f"if it has another name there, --ignore {name} if it does not matter. "
            + nearest(name, fit.names)
        )
    given = {name for row in usable for name in row.values}
    needed_here = sorted(ignored.intersection(fit.names))
    if needed_here:
        raise UsageError(
            f"--ignore {needed_here[0]}: it is a parameter of campaign {definition.name!r}, whose values "
            "there cannot be left out. Leave --ignore away, or give --map if another column holds it."
        )
    if usable and ignored - given:
        name = min(ignored - given)
        raise UsageError(f"--ignore {name}: the source has no such parameter. {nearest(name, sorted(given))}")
    missing = [name for name in fit.needed if name not in given]
    if usable and missing:
        raise UsageError(
            f"No row has a value for {', '.join(missing)}. Say which column it is: "
            f"--map COLUMN={missing[0]}. Columns: {', '.join(sorted(given)) or 'none'}."
        )
    return fit.unknown(name for row in usable for name in row.values)
