"""`ambs simulate`: how a campaign would perform on a machine that does not exist here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.commands.run import Option, parse_options
from ambs_hpc.cli.shared.options import AsJson
from ambs_hpc.cli.shared.simulated_machine import MachineOptions
from ambs_hpc.cli.shared.terminal import echo
from ambs_hpc.records.stored_ranges import LONGEST_MINUTES
from ambs_hpc.search import DEFAULT_METHOD
from ambs_hpc.threads import THREAD_VARIABLES

if TYPE_CHECKING:
    from ambs_hpc.simulate import NamedLoad, SimulationSettings

# Beyond any machine: what is larger is a slip, and would not end.
MOST_SIMULATED_NODES, MOST_SLOTS_PER_NODE = 100_000, 1_000
MOST_FAILURES = 3_600.0  # of a node per hour
MOST_START_MS = 3_600_000.0
RUNG_COLUMNS = ["slots", "slot-hours without rungs", "with, for the same value", "share", "reached"]


def simulate(
    nodes: Annotated[
        str, typer.Option("--nodes", metavar="N,N,...", help="Numbers of nodes to simulate.")
    ] = "128",
    site: Annotated[
        str, typer.Option("--site", "-s", help="Site whose nodes, queues and walltimes are simulated.")
    ] = "",
    queue: Annotated[
        str, typer.Option("--queue", "-q", help="Queue of the site; by default its default queue.")
    ] = "",
    slots_per_node: Annotated[
        int | None,
        typer.Option(
            "--slots-per-node",
            min=1,
            max=MOST_SLOTS_PER_NODE,
            help="Slots of a node; by default its GPUs, or 1.",
        ),
    ] = None,
    launchers: Annotated[int, typer.Option("--launchers", min=1, help="Launchers that share the nodes.")] = 1,
    queue_wait: Annotated[
        float,
        typer.Option(
            "--queue-wait",
            min=0.0,
            max=LONGEST_MINUTES,
            metavar="M",
            help="Minutes between allocations.",
        ),
    ] = 0.0,
    walltime: Annotated[
        float | None,
        typer.Option(
            "--walltime",
            min=0.1,
            max=LONGEST_MINUTES,
            metavar="M",
            help="Minutes of an allocation; by default the longest.",
        ),
    ] = None,
    node_failures: Annotated[
        float,
        typer.Option(
            "--node-failures",
            min=0.0,
            max=MOST_FAILURES,
            metavar="R",
            help="Failures of a busy node per hour.",
        ),
    ] = 0.0,
    start_cost: Annotated[
        float,
        typer.Option(
            "--start-cost",
            min=0.0,
            max=MOST_START_MS,
            metavar="MS",
            help="Time of a launcher to start an evaluation.",
        ),
    ] = 0.0,
    load: Annotated[
        str,
        typer.Option(
            "--load",
            help="ackley, combo, constant or a problem of 2018: rnn2, gcn, ...; with several objectives "
            "zdt1, dtlz2, ...; with constraints vessel, spring.",
        ),
    ] = "ackley",
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="METRIC:DIRECTION",
            help="A further objective, run_seconds:minimize; repeatable.",
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option("--constraint", metavar="BOUND", help='"run_seconds <= 300"; repeatable.'),
    ] = None,
    run_time: Annotated[
        str | None,
        typer.Option(
            "--run-time", metavar="LAW", help="Replace the run time: normal:60,20, constant:60, ..."
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option("--minutes", min=0.1, max=LONGEST_MINUTES, help="Virtual time to simulate."),
    ] = 30.0,
    method: Annotated[
        str, typer.Option("--method", help="Search method, as for `ambs run`.")
    ] = DEFAULT_METHOD,
    option: Option = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of search and run times.")] = 0,
    free_clock: Annotated[
        bool, typer.Option("--free-clock", help="Let computing take no virtual time.")
    ] = False,
    fidelity: Annotated[
        str | None,
        typer.Option(
            "--fidelity",
            metavar="NAME:MIN:MAX",
            help="Compare what is spent with rungs and without: epochs:1:81, epochs:1:81:3:median.",
        ),
    ] = None,
    agreement: Annotated[
        float,
        typer.Option(
            "--agreement",
            help="With --fidelity: of the first rung with the end, from -1 to 1.",
        ),
    ] = 0.7,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="With --fidelity: number of seeds.")] = 5,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="Draw it: .png, .pdf or .svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the real search, queue and launcher in virtual time on simulated nodes.

    The processor time that search and launchers spend here passes on their virtual clocks, so utilisation is
    what this processor would achieve; other programs that run at the same time do not count.
    """
    # Processor time is charged: threads that wait for one another would be charged without computing.
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    from ambs_hpc.cli.simulation_output import draw_simulations_of, print_simulations
    from ambs_hpc.simulate import SimulationSettings, named_load, outcomes, read_run_time
    from ambs_hpc.simulate import simulate as run

    chosen = named_load(load)
    if run_time is not None:
        chosen = replace(chosen, run_time=read_run_time(run_time))
    chosen = chosen.after(also or (), constraint or ())
    if fidelity is not None:
        _refuse_goals(chosen, fidelity)
        slots = [count * (slots_per_node or 1) for count in _node_counts(nodes)]
        asked = _Asked(fidelity, agreement, slots, minutes, method, range(seed, seed + repeats))
        _print_compared(chosen, asked, as_json=as_json)
        return
    options = MachineOptions(site, queue, slots_per_node, launchers, queue_wait, walltime, node_failures)
    results = []
    for count in _node_counts(nodes):
        machine = options.machine(count, minutes)
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
            slots_per_node=machine.slots_per_node,
        )
        with _bar(settings, quiet=as_json) as shown:
            results.append(run(settings, shown))
    found = [] if chosen.goals is None else outcomes(chosen.goals, [one.measured for one in results])
    print_simulations(results, found, as_json=as_json)
    if figure is not None:
        draw_simulations_of(f"{load}, {method}", results, found, figure)
        if not as_json:
            echo(f"Wrote {figure}")


def _refuse_goals(load: NamedLoad, fidelity: str) -> None:
    from ambs_hpc.errors import UsageError

    if load.goals is not None:
        raise UsageError(
            f"--fidelity {fidelity}: the comparison is of one objective without constraints, and {load.name} "
            "has more here. Leave --fidelity away; or leave --also and --constraint away, with --load ackley."
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of a comparison of rungs."""

    fidelity: str
    agreement: float
    slots: Sequence[int]
    minutes: float
    method: str
    seeds: Sequence[int]


def _print_compared(load: NamedLoad, asked: _Asked, *, as_json: bool) -> None:
    """The slot-hours with rungs for what a search without them finds in all of its own, of each machine."""
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.simulate.rungs.pretended_curves import PretendedCurves, read_fidelity
    from ambs_hpc.simulate.rungs.rung_comparison import compare, mean_and_error
    from ambs_hpc.simulate.rungs.rung_simulation import RungSettings

    fidelity, rows, plain = read_fidelity(asked.fidelity), [], []
    curves = PretendedCurves(load, fidelity, asked.agreement)
    for slots in asked.slots:
        settings = RungSettings(slots, 60 * asked.minutes * slots, method=asked.method)
        found = compare(curves.load, settings, fidelity, asked.seeds)
        share, error = mean_and_error([one.ratio for one in found])
        hours = mean_and_error([one.with_rungs for one in found])[0]
        reached = sum(one.is_reached for one in found)
        rows.append(
            [slots, found[0].node_hours, hours, f"{share:.2f} ± {error:.2f}", f"{reached} of {len(found)}"]
        )
        plain.append(
            {"slots": slots, "share": share, "error": error, "seeds": [asdict(one) for one in found]}
        )
    if as_json:
        print_json({"fidelity": asdict(fidelity), "agreement": asked.agreement, "machines": plain})
        return
    echo(f"{fidelity.words}; agreement of the first rung with the end {asked.agreement:g}")
    print_table(RUNG_COLUMNS, rows)


def _node_counts(text: str) -> list[int]:
    from ambs_hpc.errors import UsageError

    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if not all(1 <= count <= MOST_SIMULATED_NODES for count in counts):
        accepted = f"whole numbers from 1 to {MOST_SIMULATED_NODES}, with commas between them: 128,1024"
        raise UsageError(f"--nodes {text}: give {accepted}.")
    return counts


@contextmanager
def _bar(settings: SimulationSettings, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar over virtual time on a terminal; it is drawn between turns and costs no virtual time."""
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
