"""The ledger as tables and sentences for people; the numbers of a table add up as they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ambs_hpc.api.node_hours.ledger_reader import OUTLOOK_NODE_HOURS
from ambs_hpc.api.node_hours.ledger_totals import apportioned, grouped, totals
from ambs_hpc.shown_text import cell

if TYPE_CHECKING:
    from ambs_hpc.api.node_hours.ledger_reader import CampaignOutlook, Comparison
    from ambs_hpc.insight.ledger.book import Entry, Ledger
    from ambs_hpc.insight.ledger.holdings import Holding
    from ambs_hpc.insight.ledger.uses import Use

Key = TypeVar("Key")

SHORT_HOURS = 1.0  # less than that in all is shown in seconds
NOBODYS = "(nobody's)"


@dataclass(frozen=True, slots=True)
class _Unit:
    """In which a table is shown."""

    name: str
    seconds: float
    decimals: int

    def apportioned(self, seconds: Sequence[float], total: float | None = None) -> list[float]:
        """As `ledger_totals.apportioned`, of seconds; `total` is in the unit."""
        return apportioned([one / self.seconds for one in seconds], self.decimals, total)

    def text(self, value: float) -> str:
        return f"{value:.{self.decimals}f}"


_HOURS, _SECONDS = _Unit("node-hours", 3600.0, 3), _Unit("node-seconds", 1.0, 1)


def _unit(entries: Sequence[Entry]) -> _Unit:
    return _HOURS if sum(one.seconds for one in entries) >= 3600.0 * SHORT_HOURS else _SECONDS


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """Columns and lines of texts."""

    columns: Sequence[str]
    lines: Sequence[Sequence[str]]


def ledger_tables(book: Ledger, campaign: str | None, *, with_nodes: bool) -> list[LedgerTable]:
    """By use, campaign, allocation and, if wanted, node; of one campaign only where it is named."""
    entries = [one for one in book.entries if campaign in (None, one.campaign)]
    unit = _unit(entries)
    tables = [_by_use(entries, unit)]
    if campaign is None:
        by_campaign = totals(entries, lambda one: one.campaign)
        named = sorted(name for name in by_campaign if name is not None)
        rows = {cell(name): by_campaign[name] for name in named}
        if None in by_campaign:
            rows[NOBODYS] = by_campaign[None]
        tables.append(_by_group("campaign", rows, unit))
    tables.append(_by_group("allocation", totals(entries, lambda one: _named(one.holding)), unit))
    if with_nodes:
        by_node = totals(entries, lambda one: f"{one.node}, {_named(one.holding)}")
        tables.append(_by_group("node", by_node, unit))
    return tables


def _named(one: Holding) -> str:
    return f"{one.name} ({one.scheduler_id})" if one.scheduler_id else one.name


def _by_use(entries: Sequence[Entry], unit: _Unit) -> LedgerTable:
    uses = totals(entries, lambda _one: None).get(None, {})
    shown = unit.apportioned([*uses.values()])
    everything = sum(shown)
    shares = apportioned([100.0 * one / everything if everything else 0.0 for one in shown], 1)
    lines = [
        [use.words, unit.text(one), f"{share:.1f}%"]
        for use, one, share in zip(uses, shown, shares, strict=True)
    ]
    lines.append(["sum", unit.text(everything), f"{sum(shares):.1f}%"])
    return LedgerTable(("spent on", unit.name, "share"), lines)


def _by_group(title: str, rows: Mapping[str, Mapping[Use, float]], unit: _Unit) -> LedgerTable:
    groups = {name: grouped(uses) for name, uses in rows.items()}
    columns = list(grouped({}))
    rows_shown = unit.apportioned([sum(row.values()) for row in groups.values()])
    table = [
        unit.apportioned([*row.values()], total)
        for row, total in zip(groups.values(), rows_shown, strict=True)
    ]
    lines = [
        [name, *map(unit.text, row), unit.text(sum(row))] for name, row in zip(groups, table, strict=True)
    ]
    sums = [sum(column) for column in zip(*table, strict=True)] or [0.0] * len(columns)
    lines.append(["sum", *map(unit.text, sums), unit.text(sum(rows_shown))])
    return LedgerTable((title, *columns, unit.name), lines)


def remarks(book: Ledger, outlook: Sequence[CampaignOutlook]) -> list[str]:
    """What the tables do not say: what is not known, and what further node-hours may bring."""
    found = []
    guessed = [one for one in book.holdings if one.is_over and not one.is_end_told]
    if guessed:
        names = "; ".join([*(one.name for one in guessed[:3]), *["others"] * (len(guessed) > 3)])
        has_scheduler = any(one.allocation_id is not None for one in guessed)
        ask = ". To ask the scheduler: ambs ledger --against-scheduler" if has_scheduler else ""
        found.append(f"note: of these the end is not known, the last sign counts: {names}{ask}")
    found += [f"note: not counted: {one}" for one in book.left_out]
    return found + [_outlook(one) for one in outlook]


def _outlook(one: CampaignOutlook) -> str:
    what, name = one.outlook, cell(one.campaign)
    if one.has_several:
        return f"{name}: it has several objectives; a bound of what further node-hours bring is known for one"
    if what is None:
        return f"{name}: too few results, or too equal ones, to say what further node-hours may bring"
    further = f"the next {one.node_hours:.2g} node-hours bring about {what.further} results"
    if one.node_hours >= OUTLOOK_NODE_HOURS:
        further = f"the next {OUTLOOK_NODE_HOURS:g} node-hours bring about {what.further} results"
    if what.passes_zero:
        how_good = "how good, their tail cannot say: it would pass 0, which no result has passed"
    else:
        how_good = f"{cell(what.expected)} on average, hardly beyond {cell(what.bound)}"
    return (
        f"{name}: {further}; a new best with a chance of {what.chance:.0%}, {how_good}; now it is "
        f"{cell(what.best)} (rough: as if they were like the last {what.compared})"
    )


def comparison_table(compared: Sequence[Comparison]) -> LedgerTable:
    """The ledger beside the schedulers; the sum is of those that could be compared."""
    unit = _HOURS if sum(one.ours for one in compared) >= 3600.0 * SHORT_HOURS else _SECONDS
    lines = [
        [
            str(one.allocation_id),
            one.scheduler_id,
            unit.text(one.ours / unit.seconds),
            "" if one.theirs is None else unit.text(one.theirs / unit.seconds),
            _difference(one.difference),
            cell(one.source),
        ]
        for one in compared
    ]
    both = [(one.ours, one.theirs) for one in compared if one.theirs is not None]
    ours, charged = sum(one for one, _ in both), sum(one for _, one in both)
    total = _difference(ours / charged - 1.0 if charged else None)
    lines.append(["sum", "", unit.text(ours / unit.seconds), unit.text(charged / unit.seconds), total, ""])
    columns = ("allocation", "scheduler id", f"ledger, {unit.name}", "scheduler", "difference", "who says so")
    return LedgerTable(columns, lines)


def _difference(share: float | None) -> str:
    return "" if share is None else f"{share:+.2%}"
