"""How far one central search scales: the published Ackley row, repeated on pretended nodes.

    python benchmarks/scaling.py                                        all sizes, 5 seeds: hours
    python benchmarks/scaling.py --workers 128,256 --seeds 1 --figure scaling.png

Ackley in 5 dimensions, evaluations of N(60, 20) s, 30 minutes. What search and launcher compute is charged to
the virtual clock. The published figures are those of the decentralised search that gave up the central model.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks import published
from benchmarks.simulated import Case, Medians, run_case

COLUMNS = ("workers", "busy", "published", "best", "published", "evaluations", "published", "ms a proposal")


def main() -> None:
    """Simulate, print, draw."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--workers", default=",".join(map(str, published.ACKLEY_WORKERS)))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--method", default="ambs")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [
        run_case(Case(given.method, "ackley", workers, given.minutes, given.method), given.seeds)
        for workers in map(int, given.workers.split(","))
    ]
    if given.json:
        print(json.dumps([told(one) for one in rows]))
    else:
        print("".join(f"{column:>14}" for column in COLUMNS))
        for one in rows:
            print("".join(f"{cell:>14}" for cell in cells(one)))
    if given.figure is not None:
        draw(rows, given.figure)


def told(one: Medians) -> dict[str, object]:
    """A row as JSON values; `best` is Ackley's function, the lower the better."""
    return {
        "workers": one.case.slots,
        "seeds": one.seeds,
        "utilisation": one.utilisation,
        "utilisation_range": one.utilisation_range,
        "best": -one.best,
        "evaluations": one.evaluations,
        "cpu_ms_per_proposal": one.cpu_ms_per_proposal,
        "published": beside(one.case.slots),
    }


def beside(workers: int) -> dict[str, float] | None:
    """The published row of this size."""
    if workers not in published.ACKLEY_WORKERS:
        return None
    index = published.ACKLEY_WORKERS.index(workers)
    return {
        "utilisation": published.ACKLEY_UTILISATION[index],
        "best": published.ACKLEY_BEST[index],
        "evaluations": published.ACKLEY_EVALUATIONS[index],
    }


def cells(one: Medians) -> list[str]:
    """A row as people read it."""
    theirs = beside(one.case.slots) or {}
    return [
        str(one.case.slots),
        f"{one.utilisation:.4f}",
        f"{theirs['utilisation']:.3f}" if theirs else "",
        f"{-one.best:.3f}",
        f"{theirs['best']:.3f}" if theirs else "",
        f"{one.evaluations:.0f}",
        f"{theirs['evaluations']:.0f}" if theirs else "",
        f"{one.cpu_ms_per_proposal:.2f}",
    ]


def draw(rows: list[Medians], file: Path) -> None:
    """Busy workers and best value against workers, ours and the published."""
    from ambs_hpc.reporting.figure import blank_figure

    figure = blank_figure(file, (8, 6))
    busy, best = figure.subplots(2, 1, sharex=True)
    workers = [one.case.slots for one in rows]
    busy.plot(workers, [one.utilisation for one in rows], "o-", label="ambs, one central search")
    busy.plot(published.ACKLEY_WORKERS, published.ACKLEY_UTILISATION, "s--", label="published, decentralised")
    best.plot(workers, [-one.best for one in rows], "o-")
    best.plot(published.ACKLEY_WORKERS, published.ACKLEY_BEST, "s--")
    busy.set_xscale("log", base=2)
    busy.set_ylabel("share of workers busy")
    best.set_ylabel("best of Ackley's function")
    best.set_xlabel("workers")
    busy.legend(frameon=False)
    figure.savefig(file, dpi=150)


if __name__ == "__main__":
    main()
