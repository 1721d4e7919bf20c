"""`ambs simulate`: how a campaign would fare on a machine that is not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.commands.run import Option, parse_options
from ambs_hpc.cli.shared.options import AsJson
from ambs_hpc.cli.shared.simulated_machine import MachineOptions

if TYPE_CHECKING:
    from ambs_hpc.simulate import SimulationResult, SimulationSettings

# Processor time is what is charged: threads that wait for one another would be charged for nothing.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
COLUMNS = ["slots", "utilisation", "evaluations", "per hour", "best", "CPU ms per proposal"]


def simulate(
    nodes: Annotated[str, typer.Option("--nodes", metavar="N,N,...", help="Machines to try.")] = "128",
    site: Annotated[
        str, typer.Option("--site", "-s", help="Whose nodes, queues and walltimes are pretended.")
    ] = "",
    queue: Annotated[str, typer.Option("--queue", "-q", help="Of the site; else its default.")] = "",
    slots_per_node: Annotated[
        int | None, typer.Option("--slots-per-node", min=1, help="Else the GPUs of the site's nodes, or 1.")
    ] = None,
    launchers: Annotated[int, typer.Option("--launchers", min=1, help="Sharing the nodes.")] = 1,
    queue_wait: Annotated[
        float, typer.Option("--queue-wait", min=0.0, metavar="M", help="Minutes between allocations.")
    ] = 0.0,
    walltime: Annotated[
        float | None,
        typer.Option(
            "--walltime", min=0.1, metavar="M", help="Minutes of an allocation; else the site's longest."
        ),
    ] = None,
    node_failures: Annotated[
        float, typer.Option("--node-failures", min=0.0, metavar="R", help="Of a busy node in an hour.")
    ] = 0.0,
    start_cost: Annotated[
        float,
        typer.Option("--start-cost", min=0.0, metavar="MS", help="Of a launcher to start an evaluation."),
    ] = 0.0,
    load: Annotated[
        str, typer.Option("--load", help="ackley, combo, constant or a problem of 2018: rnn2, gcn, ...")
    ] = "ackley",
    run_time: Annotated[
        str | None, typer.Option("--run-time", metavar="LAW", help="Instead: normal:60,20, constant:60, ...")
    ] = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0.1, help="Of virtual time.")] = 30.0,
    method: Annotated[str, typer.Option("--method", help="As for `ambs run`.")] = "ambs",
    option: Option = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    free_clock: Annotated[bool, typer.Option("--free-clock", help="Let computing take no time.")] = False,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="Draw it: .png, .pdf or .svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the real search, queue and launcher in virtual time on pretended nodes.

    The processor seconds that search and launchers spend here are charged to the virtual clock, each to its
    own, so utilisation is what this processor would give; other programs running beside do not count.
    """
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    from ambs_hpc.simulate import SimulationSettings, named_load, read_run_time
    from ambs_hpc.simulate import simulate as run

    chosen = named_load(load)
    if run_time is not None:
        chosen = replace(chosen, run_time=read_run_time(run_time))
    pretended = MachineOptions(site, queue, slots_per_node, launchers, queue_wait, walltime, node_failures)
    results = []
    for count in _node_counts(nodes):
        machine = pretended.machine(count, minutes)
        settings = SimulationSettings(
            chosen,
            machine.allocations,
            minutes,
            method,
            parse_options(option),
            seed,
            charged=not free_clock,
            node_failures_per_hour=machine.failures_per_slot_hour,
            start_seconds=start_cost / 1000,
        )
        with _bar(settings, quiet=as_json) as shown:
            results.append(run(settings, shown))
    _print(results, as_json=as_json)
    if figure is not None:
        _draw(f"{load}, {method}", results, figure)
        if not as_json:
            typer.echo(f"Wrote {figure}")


def _node_counts(text: str) -> list[int]:
    from ambs_hpc.errors import UsageError

    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise UsageError(f"--nodes {text}: give whole numbers from 1, with commas between them: 128,1024.")
    return counts


@contextmanager
def _bar(settings: SimulationSettings, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar over virtual time on a terminal; it is drawn between turns, so nobody is charged."""
    if quiet or not sys.stderr.isatty():
        yield lambda elapsed: None
        return
    from time import monotonic

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.1f}/{task.total:g} virtual minutes"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as bar:
        row = bar.add_task(f"{settings.slots} slots", total=settings.minutes)
        drawn_at = 0.0

        def shown(elapsed: float) -> None:
            nonlocal drawn_at
            if monotonic() - drawn_at > 0.2 or elapsed >= 60 * settings.minutes:
                drawn_at = monotonic()
                bar.update(row, completed=elapsed / 60, refresh=True)

        yield shown


def _print(results: list[SimulationResult], *, as_json: bool) -> None:
    from ambs_hpc.cli.shared.output import print_json, print_table

    if as_json:
        print_json([one.to_json() for one in results])
        return
    rows: list[list[object]] = [
        [
            one.slots,
            f"{100 * one.utilisation:.2f} %",
            one.evaluations,
            round(one.evaluations_per_hour, 1),
            one.best,
            1000 * (one.cpu_seconds_per_proposal or 0.0),
        ]
        for one in results
    ]
    print_table(COLUMNS, rows)


def _draw(title: str, results: list[SimulationResult], file: Path) -> None:
    from ambs_hpc.report.simulation_figure import Curves, draw_simulations

    draw_simulations(
        title,
        [
            Curves(
                f"{one.slots} slots: {100 * one.utilisation:.1f} %",
                one.slots,
                one.busy,
                one.best_so_far,
                [(cost.observations, cost.cpu_seconds / cost.proposals) for cost in one.ask_costs],
            )
            for one in results
        ],
        file,
    )
