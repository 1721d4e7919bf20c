"""Sources of a warm start: found by what stands after `--from`, checked, and kept with the campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ambs_hpc.campaign.carry_over import carry_over_of
from ambs_hpc.errors import DatabaseRefused, NotFound, ProblemError, UsageError, nearest
from ambs_hpc.observations import RawObservation, RowEnding, SpaceFit, read_observations
from ambs_hpc.problem.goals import goals_of
from ambs_hpc.problem.space import space_from_json
from ambs_hpc.queue import (
    add_source,
    database_uid,
    database_url,
    find_campaign,
    list_campaigns,
    open_database,
    proposals_of,
    reading,
    source_summaries,
    transaction,
)
from ambs_hpc.records import Campaign, NewCampaign, Observation, Source
from ambs_hpc.search import WARM
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

TABLES = (".csv", ".json", ".jsonl")
MOST_OBSERVATIONS = 10_000  # of a source; of more, the best half of as many and the last ones
SHOWN_REASONS = 10


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A source and what of it the new problem can use.

    Args:
        usable: rows that fit, without repetitions.
        read: rows that say anything of an evaluation.
        refused: numbers of rows by why they do not fit.
        missing: parameters that take their default, because no row has them.
        ignored: names that the new problem does not have.
        is_known: the campaign has had it since an earlier start.
    """

    source: Source
    usable: int = 0
    read: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    is_known: bool = False

    @property
    def line(self) -> str:
        """What a person is told of it."""
        if self.is_known:
            return f"{self.source.name}: taken at an earlier start and kept as it was then"
        words = [f"{self.usable} of {self.read} results fit"]
        words += [f"{number} not: {why}" for why, number in list(self.refused.items())[:SHOWN_REASONS]]
        rest = sum(list(self.refused.values())[SHOWN_REASONS:])
        words += [f"{rest} not for other reasons"] if rest else []
        if self.missing:
            words.append(f"default for {', '.join(self.missing)}")
        if self.ignored:
            words.append(f"ignored: {', '.join(self.ignored)}")
        return f"{self.source.name}: {'; '.join(words)}"


def find_sources(
    engine: Engine | None, wanted: NewCampaign, given: Sequence[str], method: str | None = None
) -> list[FoundSource]:
    """The sources that `--from` names, each with at least one result that fits; nothing is stored.

    Args:
        engine: of the campaign's database; None where there is none yet.
        wanted: the campaign as its problem and the command line describe it.
        given: names of campaigns in this database; files (.csv, .json); databases, as a file or URL, all of
            their campaigns or the one behind `#`; or Optuna storages, the study behind `#`.
        method: what the person asks for; None keeps that of the campaign, or of `wanted` where there is none.

    Raises:
        UsageError, NotFound, DatabaseError: one cannot be found or read, or nothing of it fits, or the method
            of the campaign does not learn from others.
    """
    if not given:
        return []
    known: set[str] = set()
    will_be = method or wanted.method
    if engine is not None:
        with reading(engine) as connection:
            campaign = find_campaign(connection, wanted.name)
            if campaign is not None:
                will_be = method or campaign.definition.method
                known = {one.name for one in source_summaries(connection, campaign.id)}
    if not goals_of(wanted.problem, wanted.direction).is_plain:
        raise UsageError(
            "--from: a campaign of several objectives, or with constraints, does not start warm. "
            "Leave --from away; `ambs tell` takes results of the same problem."
        )
    if will_be not in WARM:
        raise UsageError(
            f"--from: search method {will_be!r} does not learn from other problems. Leave --from away, or "
            f"start a campaign with one of the methods that do: {', '.join(WARM)}."
        )
    found = [one for text in dict.fromkeys(given) for one in _found(engine, wanted, text, known)]
    return list({one.source.name: one for one in found}.values())


def keep_sources(engine: Engine, campaign: Campaign, found: Iterable[FoundSource]) -> None:
    """Store the sources with the campaign, those that it does not have yet; its next search learns them."""
    new = [one.source for one in found if not one.is_known]
    if not new:
        return
    with transaction(engine) as connection:
        for one in new:
            add_source(connection, campaign.id, one)


def _found(engine: Engine | None, wanted: NewCampaign, text: str, known: set[str]) -> list[FoundSource]:
    sources = _of_campaign(engine, wanted, text)
    if sources is None:
        sources = (
            _of_table(wanted, text) if text.lower().endswith(TABLES) else _of_database(engine, wanted, text)
        )
    return [
        FoundSource(source, is_known=True) if source.name in known else _mapped(wanted, source, read, refused)
        for source, read, refused in sources
    ]


Read = tuple[Source, int, Counter[str]]  # a source, its rows that say anything, those refused by reason


def _of_campaign(engine: Engine | None, wanted: NewCampaign, text: str) -> list[Read] | None:
    """The campaign of that name in this database; None when there is none."""
    if engine is None:
        return None
    with reading(engine) as connection:
        campaign = find_campaign(connection, text)
        if campaign is None:
            return None
        if campaign.name == wanted.name:
            raise UsageError(
                f"--from {text}: that is the campaign itself, which knows its own results. Name another one."
            )
        return [_campaign_source(connection, campaign, f"campaign {campaign.name}")]


def _of_database(engine: Engine | None, wanted: NewCampaign, text: str) -> list[Read]:
    """All campaigns of another database with results, or the one behind `#`; else an Optuna storage."""
    location, _, name = text.partition("#")
    if "://" not in location and not Path(location).exists():
        raise _nothing_so_named(engine, text)
    url = database_url(location, {}, Path.cwd())
    try:
        other = open_database(url, create=False)
    except DatabaseRefused as error:
        return _of_study(wanted, text, url, name, error)
    try:
        with reading(other) as connection:
            campaigns = _chosen_campaigns(connection, text, name)
            uid = database_uid(connection)
            is_own = engine is not None and uid == _uid(engine)
            return [
                # The URL may have a password, and a database may move: its identity stays.
                _campaign_source(connection, one, f"campaign {one.name} of database {uid}")
                for one in campaigns
                if not (is_own and one.name == wanted.name)
            ]
    finally:
        other.dispose()


def _uid(engine: Engine) -> str:
    with reading(engine) as connection:
        return database_uid(connection)


def _chosen_campaigns(connection: Connection, text: str, name: str) -> list[Campaign]:
    campaigns = list_campaigns(connection)
    chosen = [one for one in campaigns if name in ("", one.name)]
    if not chosen:
        names = [one.name for one in campaigns]
        hint = nearest(name, names) if names else "It has none."
        raise NotFound(f"--from {_shown(text)}: that database has no campaign {name!r}. {hint}")
    return chosen


def _campaign_source(connection: Connection, campaign: Campaign, name: str) -> Read:
    rows = [
        row
        for row in sorted(proposals_of(connection, campaign.id), key=lambda row: row.sequence)
        if row.state in (State.DONE, State.FAILED)
    ]
    carry_over = carry_over_of(campaign.definition.problem)  # where parameters were added: what they were
    configurations = [row.proposal.configuration for row in rows]
    if carry_over is not None:
        configurations = [carry_over.carried(one) or one for one in configurations]
    observations = [Observation(one, row.objective) for one, row in zip(configurations, rows, strict=True)]
    direction = campaign.definition.direction
    return Source(name, direction, _bounded(observations, direction)), len(rows), Counter()


def _of_table(wanted: NewCampaign, text: str) -> list[Read]:
    path = Path(text).expanduser().absolute()
    return [_read_rows(wanted, f"file {path}", text, read_observations(str(path)))]


def _of_study(wanted: NewCampaign, text: str, url: str, study: str, refused: DatabaseRefused) -> list[Read]:
    """The study of an Optuna storage, where that is what our tables were looked for in."""
    try:
        rows = read_observations(url, study=study or None)
    except UsageError as error:
        raise UsageError(f"--from {_shown(text)}: {refused} As an Optuna storage: {error}") from error
    return [_read_rows(wanted, f"Optuna study {_shown(text)}", text, rows)]


def _read_rows(wanted: NewCampaign, name: str, text: str, rows: Sequence[RawObservation]) -> Read:
    """The rows with an ending, their values in the types of the problem's parameters."""
    fit = SpaceFit(space_from_json(cast("dict[str, object]", wanted.problem["space"])))
    names, observations, refused = set(fit.names), [], Counter[str]()
    directions = {row.direction for row in rows if row.direction}
    if len(directions) > 1:
        raise UsageError(f"--from {_shown(text)}: has rows to be minimised and to be maximised. Split it.")
    direction = directions.pop() if directions else wanted.direction
    ended = [row for row in rows if row.ending is not RowEnding.SKIPPED]
    examples: dict[tuple[str, str], str] = {}  # of a value, for all that are refused for the same reason
    for row in ended:
        if row.ending is RowEnding.REFUSED:
            refused[row.words] += 1
            continue
        values = {key: value for key, value in row.values.items() if key in names}
        try:
            fitted = fit.configuration(values, "row", fill=True)
        except ProblemError as error:
            example = examples.setdefault((error.field, error.remedy), f"{error.seen}. {error.remedy}")
            refused[f"parameter {error.field!r} {example}"] += 1
            continue
        ignored = {key: str(value) for key, value in row.values.items() if row.is_exact and key not in names}
        given = {key: value for key, value in fitted.items() if key in values}
        observations.append(Observation({**given, **ignored}, row.objective))
    return Source(name, direction, _bounded(observations, direction)), len(ended), refused


def _bounded(observations: list[Observation], direction: str) -> tuple[Observation, ...]:
    """The observations in their order; of very many the best and the last ones."""
    if len(observations) <= MOST_OBSERVATIONS:
        return tuple(observations)
    sign = -1.0 if direction == "maximize" else 1.0
    valued = [place for place, one in enumerate(observations) if one.objective is not None]
    valued.sort(key=lambda place: sign * cast("float", observations[place].objective))
    kept = set(valued[: MOST_OBSERVATIONS // 2])
    for place in reversed(range(len(observations))):
        if len(kept) == MOST_OBSERVATIONS:
            break
        kept.add(place)
    return tuple(observations[place] for place in sorted(kept))


def _mapped(wanted: NewCampaign, source: Source, read: int, refused: Counter[str]) -> FoundSource:
    """What the search will make of the source.

    Raises:
        UsageError: nothing of it is of use.
    """
    from ambs_hpc.search.encoding import Encoding
    from ambs_hpc.search.transfer.mapped_source import map_source

    encoding = Encoding(space_from_json(cast("dict[str, object]", wanted.problem["space"])))
    mapped = map_source(encoding, source)
    reasons = refused + Counter(mapped.refused)
    found = FoundSource(
        source, len(mapped.rows), read, dict(reasons.most_common()), mapped.missing, mapped.ignored
    )
    if not mapped.successes or len(mapped.missing) == encoding.dimensions:
        remedy = "It needs finished evaluations whose parameters have the names and ranges of this problem's"
        raise UsageError(f"--from {found.line}. {remedy}: {', '.join(encoding.names)}.")
    return found


def _nothing_so_named(engine: Engine | None, text: str) -> NotFound:
    names: list[str] = []
    if engine is not None:
        with reading(engine) as connection:
            names = [one.name for one in list_campaigns(connection)]
    hint = nearest(text, names) if names else "There is no campaign here yet."
    return NotFound(
        f"--from {_shown(text)}: there is no such campaign and no such file. {hint} Or give a .csv or .json "
        "file, a database (a file or URL, with #NAME for one campaign), or the URL of an Optuna storage."
    )


def _shown(text: str) -> str:
    """What was written, without a password."""
    scheme, separator, rest = text.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else text
