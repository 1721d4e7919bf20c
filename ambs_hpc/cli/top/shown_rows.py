"""The tables of `ambs top` as texts: from a snapshot to columns and rows; nothing is read or drawn here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ambs_hpc.api.progress_words import described_states
from ambs_hpc.cli.shared.output import cell, duration, utc
from ambs_hpc.cli.shared.terminal import harmless
from ambs_hpc.cli.top.snapshot import SeenLauncher, Snapshot
from ambs_hpc.queue import EvaluationRow
from ambs_hpc.records import IMPORTED, MANUAL
from ambs_hpc.states import State
from ambs_hpc.timing import STALE_AFTER_SECONDS


class ShownRow(NamedTuple):
    """A row with a key of its own; `campaign` and `evaluation_id` are what opening it leads to."""

    key: str
    cells: tuple[str, ...]
    campaign: str = ""
    evaluation_id: int = 0


class ShownTable(NamedTuple):
    """Columns and rows; `empty` stands there where there is no row."""

    columns: tuple[str, ...]
    rows: list[ShownRow]
    empty: str


def shown_table(snapshot: Snapshot, words: str = "") -> ShownTable:
    """The table that the snapshot's query asked for.

    Args:
        words: only rows that hold all of these words, in any case of letters; those around them stay hidden.
    """
    made = _TABLES[snapshot.query.view](snapshot)
    wanted = words.lower().split()
    rows = [row for row in made.rows if all(word in " ".join(row.cells).lower() for word in wanted)]
    empty = f"No row here holds {words!r}; / changes the filter." if made.rows else made.empty
    return ShownTable(made.columns, [_harmless(row) for row in rows], empty)


def _harmless(row: ShownRow) -> ShownRow:
    return row._replace(cells=tuple(harmless(cell(value)) for value in row.cells))


def _campaigns(snapshot: Snapshot) -> ShownTable:
    rows = []
    for one in snapshot.campaigns:
        silence = one.search_silence_seconds
        search = _search(silence)
        ended = sum(number for state, number in one.counts.items() if state.is_final)
        budget = "" if one.max_evaluations is None else f"/{one.max_evaluations + one.added}"
        cells = (
            one.name,
            cell(one.best) or "-",
            f"{ended}{budget}",
            str(one.running),
            str(one.counts[State.RUNNING] - one.running),
            str(one.counts[State.READY]),
            str(one.counts[State.FAILED]),
            search,
            one.method,
            one.direction,
        )
        rows.append(ShownRow(one.name, cells, campaign=one.name))
    numbers = ("ended", "run", "leased", "wait", "failed")
    columns = ("campaign", "best", *numbers, "search", "method", "direction")
    return ShownTable(columns, rows, "No campaign yet: ambs run PROBLEM")


def _search(silence: float | None) -> str:
    if silence is None:
        return "-"
    return "alive" if silence <= STALE_AFTER_SECONDS else f"silent {duration(silence)}"


def _evaluations(snapshot: Snapshot) -> ShownTable:
    """Of all campaigns each row says of which it is; what is widest is last."""
    is_of_all = not snapshot.query.campaign
    rows = [
        ShownRow(
            str(row.id),
            (
                str(row.id),
                *[row.campaign] * is_of_all,
                _state(row),
                cell(row.objective),
                _seconds(row, snapshot.at),
                cell(dict(row.configuration)),
                row.node,
            ),
            campaign=row.campaign,
            evaluation_id=row.id,
        )
        for row in snapshot.evaluations
    ]
    columns = ("id", *["campaign"] * is_of_all, "state", "objective", "ran", "configuration", "node")
    return ShownTable(columns, rows, "No such evaluation.")


def _launchers(snapshot: Snapshot) -> ShownTable:
    rows = [row for one in snapshot.launchers for row in _launcher_rows(one, snapshot)]
    columns = ("launcher, slot", "where", "run", "since", "what")
    return ShownTable(columns, rows, "No launcher is alive: ambs launch, or ambs submit")


def _launcher_rows(seen: SeenLauncher, snapshot: Snapshot) -> Iterator[ShownRow]:
    """The launcher, what runs in its slots, and the slots that are idle."""
    one, slots = seen.launcher, seen.launcher.identity.slots
    silence = one.heartbeat_age_seconds
    used = "" if one.utilisation is None else f"{one.utilisation:.0%} of slot-time used"
    said = f"SILENT for {duration(silence)}" if silence > STALE_AFTER_SECONDS else used
    said = "DEAD" if seen.is_dead else said
    where = f"{seen.allocation} on {one.identity.host}" if seen.allocation else one.identity.host
    held, running = seen.number
    busy = f"{running} of {slots}" + (f", {held - running} leased" if held > running else "")
    cells = (f"launcher {one.id}", where, busy, duration(one.seconds), said)
    yield ShownRow(f"L{one.id}", cells)
    for row in snapshot.evaluations:
        if row.launcher_id == one.id:
            what = f"{row.campaign}: {cell(dict(row.configuration))}"
            inside = (f"└ evaluation {row.id}", row.node, "", _seconds(row, snapshot.at), what)
            yield ShownRow(f"E{row.id}", inside, row.campaign, row.id)
    if held < slots:
        idle = (f"└ {slots - held} idle", "", "", "", one.idle or "nothing waits")
        yield ShownRow(f"I{one.id}", idle)


def _allocations(snapshot: Snapshot) -> ShownTable:
    rows = []
    for one in snapshot.allocations:
        nodes = one.request.get("nodes")
        left = "" if one.ended_at or one.ends_at is None else duration(max(0.0, one.ends_at - snapshot.at))
        cells = (
            str(one.id),
            one.scheduler_id or "",
            one.site,
            one.state,
            str(nodes if isinstance(nodes, int) else 1),
            str(one.evaluations),
            left,
            "" if one.utilisation is None else f"{one.utilisation:.0%}",
            one.detail,
        )
        rows.append(ShownRow(str(one.id), cells))
    columns = ("id", "scheduler's", "site", "state", "nodes", "held", "left", "used", "its words")
    return ShownTable(columns, rows, "No allocation yet: ambs submit")


def _failures(snapshot: Snapshot) -> ShownTable:
    rows = [
        ShownRow(
            f"{group.campaign} {group.kind.value} {group.signature}",
            (
                str(group.number),
                group.kind.value,
                group.signature or "(said nothing)",
                str(group.example_id),
                utc(group.last_at)[5:16],
                group.campaign,
            ),
            group.campaign,
            group.example_id,
        )
        for group in snapshot.failures
    ]
    columns = ("number", "kind", "the error without its numbers", "one", "last (UTC)", "campaign")
    return ShownTable(columns, rows, "Nothing failed.")


_TABLES: dict[str, Callable[[Snapshot], ShownTable]] = {
    "campaigns": _campaigns,
    "evaluations": _evaluations,
    "launchers": _launchers,
    "allocations": _allocations,
    "failures": _failures,
}


def totals_line(snapshot: Snapshot) -> str:
    """The state of the whole database in a few words."""
    total = {state: sum(one.counts.get(state, 0) for one in snapshot.campaigns) for state in State}
    return described_states(total, sum(one.running for one in snapshot.campaigns)) or "empty"


def story_lines(snapshot: Snapshot) -> Sequence[str]:
    """An evaluation's configuration, result, reports and history, line by line."""
    story = snapshot.story
    assert story is not None
    row = story.row
    lines = [f"objective      {cell(row.objective) or 'none'}"]
    if row.metrics:
        lines.append(f"metrics        {cell(dict(row.metrics))}")
    lines += [
        "configuration",
        *(f"  {cell(name)} = {cell(value)}" for name, value in row.configuration.items()),
    ]
    if row.error:
        lines += ["error", *(f"  {line}" for line in row.error.rstrip().splitlines()[-12:])]
    if snapshot.reports:
        lines.append("reported")
        lines += [
            f"  step {one.step}: {cell(one.objective)} {cell(dict(one.metrics))}" for one in snapshot.reports
        ]
    lines.append("history (UTC)")
    for event in story.events:
        where = f" on {event.node or event.host}" if event.node or event.host else ""
        detail = (event.detail or "").partition("\n")[0]
        told = f": {cell(detail)}" if detail else ""
        lines.append(f"  {utc(event.at)} {event.move.value}, attempt {event.attempt}{where}{told}")
    return [harmless(line) for line in lines]


def _state(row: EvaluationRow) -> str:
    state = row.state.value if row.failure_kind is None else f"{row.state.value} {row.failure_kind.value}"
    if _is_leased(row):
        state += " (leased)"
    marks = {IMPORTED: " (imported)", MANUAL: " (added)"}
    return state + marks.get(row.proposal_kind, "")


def _is_leased(row: EvaluationRow) -> bool:
    """Whether a launcher has it and it is not known to run: what is stored of its start is the claim."""
    return row.state is State.RUNNING and not row.node


def _seconds(row: EvaluationRow, at: float) -> str:
    if _is_leased(row):
        return ""
    if row.state is State.RUNNING and row.started_at is not None:
        return duration(max(0.0, at - row.started_at))
    return duration(row.run_seconds)
