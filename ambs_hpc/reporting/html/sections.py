"""The parts of the report that need no script: the summary, failures, allocations, settings, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from ambs_hpc.hints import pasteable
from ambs_hpc.insight.provenance_words import departures
from ambs_hpc.provenance.comparison_words import facts_words
from ambs_hpc.queue import EvaluationRow, ProvenanceUse, goals_of_stored
from ambs_hpc.records import IMPORTED, Allocation
from ambs_hpc.reporting.html.campaign_record import CampaignRecord
from ambs_hpc.reporting.html.html_tables import pairs, table, text, utc
from ambs_hpc.shown_text import duration, logs_command
from ambs_hpc.states import Move, State

MOST_GROUPS, MOST_LAUNCHERS, MOST_ALLOCATIONS, BEST_SHOWN = 50, 100, 200, 10
MOST_KINDS, MOST_NAMED = 20, 12  # of provenance, newest last; of launchers and files in one line


def best_rows(record: CampaignRecord, number: int) -> list[EvaluationRow]:
    """The best results by the first objective, best first; what breaks a constraint is none of them."""
    sign = 1.0 if record.campaign.definition.direction == "minimize" else -1.0
    goals = goals_of_stored(record.campaign)
    done = [row for row in record.evaluations if row.objective is not None]
    if goals.constraints:
        done = [row for row in done if goals.feasibility(row.objective, row.metrics).verdict == "yes"]
    return sorted(done, key=lambda row: (sign * (row.objective or 0.0), row.id))[:number]


def summary(record: CampaignRecord) -> str:
    """The numbers that one looks for first, and the best configurations."""
    own = [row for row in record.evaluations if row.proposal_kind != IMPORTED]
    states = Counter(row.state for row in own)
    running = sum(row.state is State.RUNNING and bool(row.node) for row in own)  # the others are leased
    best = best_rows(record, BEST_SHOWN)
    pace = record.throughput
    tiles: list[tuple[str, str, object]] = [
        (
            "best",
            f"best {goals_of_stored(record.campaign).names[0]}",
            best[0].objective if best else "none yet",
        ),
        ("done", "done", states[State.DONE]),
        ("failed", "failed", states[State.FAILED]),
        ("running", "running", running),
        *([("leased", "leased", states[State.RUNNING] - running)] if states[State.RUNNING] > running else []),
        ("ready", "waiting", states[State.READY]),
        ("cancelled", "cancelled", states[State.CANCELLED]),
        *([("paused", "paused at rungs", states[State.PAUSED])] if states[State.PAUSED] else []),
        ("pace", "evaluations an hour", float(f"{pace.per_hour:.3g}")),
        ("run-time", "mean run time", duration(pace.mean_run_seconds) or "unknown"),
        ("node-hours", "node-hours of its evaluations", float(f"{record.node_seconds / 3600:.4g}")),
    ]
    if len(own) < len(record.evaluations):
        tiles.append(("imported", "imported results", len(record.evaluations) - len(own)))
    shown = "".join(
        f"<div><dt>{text(name)}</dt><dd id=n-{key}>{text(value)}</dd></div>" for key, name, value in tiles
    )
    rows = [
        (row.id, row.objective, row.proposal_kind, row.configuration, utc(row.finished_at)) for row in best
    ]
    columns = ("evaluation", "objective", "proposed by", "configuration", "ended")
    return f"<dl class=tiles>{shown}</dl>" + table(columns, rows, "The best results", empty="No result yet.")


def failures(record: CampaignRecord) -> str:
    """Failures that look alike, and the commands that show and mend them."""
    groups = record.failures[:MOST_GROUPS]
    rows = [
        (
            one.kind.value,
            one.number,
            one.signature or "(said nothing)",
            utc(one.first_at),
            utc(one.last_at),
            pasteable(logs_command(one.example_id, one.kind)),
        )
        for one in groups
    ]
    columns = ("kind", "evaluations", "the error without its numbers", "first", "last", "read one")
    left = len(record.failures) - len(groups)
    more = f"<p class=quiet>{left} rarer kinds are left out.</p>" if left else ""
    again = pasteable(f"ambs rerun --failed --campaign {quote(record.campaign.name)}")
    mend = f"<p>Run them again: <code>{text(again)}</code></p>" if rows else ""
    return table(columns, rows, "Failures by signature", empty=_without_failures(record)) + more + mend


def _without_failures(record: CampaignRecord) -> str:
    """That nothing is failed now, though the slots may show attempts that were tried again."""
    again = sum(one.move in (Move.FAIL.value, Move.RETRY.value) for one in record.attempts)
    if not again:
        return "Nothing failed."
    return f"Nothing is failed now; {again} attempts failed, and their evaluations were run again."


def allocations(record: CampaignRecord) -> str:
    """Batch allocations with what they cost, and the launchers that ran this campaign."""
    rows = [
        (
            one.id,
            one.scheduler_id or "",
            one.site,
            one.state,
            _nodes(one),
            utc(one.started_at),
            duration(_elapsed(one, record.at)),
            _rounded(_nodes(one) * (_elapsed(one, record.at) or 0.0) / 3600),
            one.launchers,
            _percent(one.utilisation),
            one.detail,
        )
        for one in record.allocations[:MOST_ALLOCATIONS]
    ]
    total = sum(_nodes(one) * (_elapsed(one, record.at) or 0.0) for one in record.allocations) / 3600
    columns = ("allocation", "scheduler's id", "site", "state", "nodes", "started", "time", "node-hours")
    columns += ("launchers", "slots used", "the scheduler's words")  # type: ignore[assignment]
    words = (
        f"<p>Together <b id=n-allocated>{text(_rounded(total))}</b> node-hours: nodes × time since the start."
    )
    words += " Other campaigns of the database may have used them too.</p>"
    empty = "No allocation: launchers were started by hand."
    shown = table(columns, rows, "Allocations of the database", empty=empty)
    return (words if rows else "") + shown + _launchers(record)


def settings(record: CampaignRecord) -> str:
    """What the campaign is, its revisions, and from where all this was read."""
    made, problem = record.campaign.definition, record.campaign.definition.problem
    rows: list[tuple[str, object]] = [
        ("objective", made.objective),
        ("direction", problem.get("direction", made.direction)),
        ("constraints", ", ".join(one.words for one in goals_of_stored(record.campaign).constraints)),
        ("method", made.method),
        *((f"option {name}", value) for name, value in made.method_options.items()),
        ("seed", made.seed),
        ("evaluations at most", "until stopped" if made.max_evaluations is None else made.max_evaluations),
        ("failures of an evaluation at most", made.max_failures),
        ("interruptions of an evaluation at most", made.max_interruptions),
        ("priority", made.priority),
        ("time limit, s", problem.get("time_limit_seconds")),
        ("resources", problem.get("resources")),
        ("fidelity", problem.get("fidelity")),
        ("checkpoints", problem.get("checkpoints")),
        ("starting points", len(_list(problem.get("starting_points")))),
        ("problem's folder", made.directory),
        ("run folder", made.run_directory),
    ]
    space = [(name, " ".join(words)) for name, words in _space(problem.get("space"))]
    revisions = [(one.number, utc(one.at), one.who, one.words, one.effects) for one in record.revisions]
    origin: list[tuple[str, object]] = [
        ("written", utc(record.at)),
        ("ambs_hpc", record.version),
        ("campaign", f"{record.campaign.name}, uid {made.uid}, made {utc(record.campaign.created_at)}"),
        ("database", f"{record.database}, uid {record.database_uid}"),
    ]
    columns = ("revision", "time", "who", "what changed", "what became of evaluations")
    return (
        pairs(rows, "Settings")
        + pairs(space, "Space")
        + table(columns, revisions, "Revisions", empty="None is stored.")
        + _provenance(record)
        + pairs(origin, "Where this was read")
    )


def _provenance(record: CampaignRecord) -> str:
    """Sources and programs, each kind with all that ran with it, and where launchers differ."""
    alike: dict[str, list[ProvenanceUse]] = {}
    for use in record.provenance:
        alike.setdefault(use.digest, []).append(use)
    rows = []
    for digest, uses in list(alike.items())[-MOST_KINDS:]:
        ids = sorted({one.launcher_id for one in uses if one.launcher_id is not None})
        shown = ", ".join(map(str, ids[:MOST_NAMED])) + ("" if len(ids) <= MOST_NAMED else ", ...")
        who = ["the search"] * any(one.launcher_id is None for one in uses)
        who += [f"{len(ids)} launchers: {shown}"] * bool(ids)
        revisions = sorted({one.revision for one in uses})
        first, words = uses[0], facts_words(uses[0].facts)
        rows.append(
            (
                digest[:10],
                utc(first.at),
                " and ".join(who),
                revisions,
                words,
                _files(first),
            )
        )
    columns = ("digest", "first", "of", "revisions", "sources and programs", "files of the problem's folder")
    shown = table(columns, rows, "Provenance", empty="Nothing is stored of sources and programs.")
    differences = [(utc(one.at), one.words) for one in departures(record.provenance)[-MOST_KINDS:]]
    if not differences:
        return shown
    return shown + table(("time", "what differs"), differences, "Launchers differ", empty="")


def _files(use: ProvenanceUse) -> str:
    files = use.facts.get("files")
    named = list(files.items())[:MOST_NAMED] if isinstance(files, dict) else []
    return " ".join(f"{name} {str(digest)[:10]}" for name, digest in named)


def _launchers(record: CampaignRecord) -> str:
    shown = record.launchers[-MOST_LAUNCHERS:]
    rows = [
        (
            one.id,
            one.host,
            one.allocation or "by hand",
            one.slots,
            utc(one.started_at),
            utc(one.ended_at) if one.ended_at is not None else f"heard of {utc(one.heartbeat_at)}",
            _percent(_share(one.busy_seconds, one.slots * (one.heartbeat_at - one.started_at))),
        )
        for one in shown
    ]
    columns = ("launcher", "host", "allocation", "slots", "started", "ended", "slots used")
    left = len(record.launchers) - len(shown)
    more = f"<p class=quiet>{left} earlier ones are left out.</p>" if left else ""
    return table(columns, rows, "Launchers of this campaign", empty="No launcher yet.") + more


def _space(space: object) -> Iterator[tuple[str, list[str]]]:
    for one in _list(space.get("hyperparameters")) if isinstance(space, dict) else []:
        words = [str(one.get("type", "")).replace("_", " ")]
        if "lower" in one:
            words.append(f"{text_of(one['lower'])} to {text_of(one.get('upper'))}")
        for key in ("choices", "sequence"):
            if key in one:
                words.append(", ".join(text_of(value) for value in _list(one[key])))
        if "value" in one:
            words.append(text_of(one["value"]))
        if one.get("log"):
            words.append("(log)")
        yield str(one.get("name")), words


def text_of(value: object) -> str:
    """A parameter's value in few letters, not yet escaped."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


def _nodes(one: Allocation) -> int:
    nodes = one.request.get("nodes")
    return nodes if isinstance(nodes, int) else 1


def _elapsed(one: Allocation, at: float) -> float | None:
    """Seconds that its nodes were ours; an allocation whose end nobody noted ends by its walltime."""
    if one.started_at is None:
        return None
    end = (
        one.ended_at if one.ended_at is not None else min(at, one.ends_at if one.ends_at is not None else at)
    )
    return max(0.0, end - one.started_at)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
