"""`ambs nodes`: what happened on which node, and which nodes are left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import echo

if TYPE_CHECKING:
    from ambs_hpc.queue import NodeVerdict, StoredNodeEvent

COLUMNS = ("time (UTC)", "site", "node", "allocation", "what", "counts", "words")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def nodes(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE]...", help="Only these nodes; by default all.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="How far back: 90m, 12h, 7d, or all.")
    ] = "7d",
    every: Annotated[
        bool, typer.Option("--all", help="Also what was measured on nodes that are well.")
    ] = False,
    forgive: Annotated[
        list[str] | None,
        typer.Option("--forgive", metavar="NODE", help="Its failures so far count no more: use it again."),
    ] = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """List what happened on which node, as a support ticket needs it, and which nodes are left out."""
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.queue import node_events, node_verdicts, reading

    seconds = since_seconds(since)
    engine = open_engine(db)
    for name in forgive or []:
        _forgive(db, name)
    if forgive:
        return
    with reading(engine) as connection:
        verdicts = node_verdicts(connection)
        events = node_events(connection, seconds, names or (), failures_only=not every)
    known = [one for one in verdicts if not names or one.node in names]
    if as_json:
        print_json({"nodes": [_verdict(one) for one in known], "events": [_event(one) for one in events]})
        return
    for one in known:
        if one.is_left_out:
            site = f" of {one.site}" if one.site else ""
            echo(
                f"left out: {one.node}{site}, {one.failures} infrastructure failures within a day "
                f"(use it again: ambs nodes --forgive {one.node})"
            )
    if events:
        print_table(COLUMNS, (_cells(one) for one in events))
    else:
        whom, time = ", ".join(names or ["any node"]), "" if since == "all" else f" in the last {since}"
        echo(f"Nothing is known against {whom}{time}; --all shows what was measured.")


def since_seconds(text: str) -> float | None:
    """Seconds of "90m", "12h", "7d", "1d12h"; None for "all".

    Raises:
        UsageError: it is none of these.
    """
    from ambs_hpc.errors import UsageError

    if text == "all":
        return None
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"--since {text}: give how far back, such as 90m, 12h, 7d, 1d12h, or all.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _forgive(db: str | None, name: str) -> None:
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.errors import NotFound, nearest
    from ambs_hpc.identity import this_process, user_name
    from ambs_hpc.queue import forgive_node, node_events, transaction

    with transaction(open_engine(db)) as connection:
        sites = forgive_node(connection, name, f"{user_name()}@{this_process().host}")
        known = [] if sites else sorted({one.node for one in node_events(connection)})
    if not sites:
        raise NotFound(
            f"Nothing was ever noted of a node {name!r}. "
            + (nearest(name, known) if known else "No node is known yet.")
        )
    echo(f"{name}: what happened there until now counts no more")


def _cells(one: StoredNodeEvent) -> tuple[object, ...]:
    from ambs_hpc.cli.shared.output import utc

    counts = "yes" if one.is_failure else ""
    return (f"{utc(one.at)}Z", one.site, one.node, one.allocation, one.kind.value, counts, one.detail)


def _event(one: StoredNodeEvent) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(one), "kind": one.kind.value}


def _verdict(one: NodeVerdict) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one)
