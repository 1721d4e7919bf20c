"""What the queue and the launcher cost, on both databases, everything on one pinned core, in one run.

python benchmarks/queue.py [--evaluations 2000] [--rows 20000] [--folder /dev/shm] [--tiny] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

sys.path[0] = str(Path(__file__).parents[1])  # this file would hide the library's queue

from ambs_hpc.queue import open_database
from benchmarks.databases import private_postgresql
from benchmarks.no_op_evaluations import measure_end_to_end
from benchmarks.queue_rates import measure_rates

BATCHES = (10, 100)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evaluations", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="for all files: what a disk costs is measured with it")
    parser.add_argument("--tiny", action="store_true", help="a check that it runs, no figures to quote")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.tiny:
        given.evaluations, given.rows = 60, 400
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="ambs_bench_", dir=given.folder) as folder:
        for engine in engines(Path(folder)):
            for batch in BATCHES:
                show(measure_rates(engine, given.rows, batch), as_json=given.json)
            for objective in ("command", "function"):
                show(
                    measure_end_to_end(engine, objective, given.evaluations, Path(folder)), as_json=given.json
                )


def engines(folder: Path) -> Iterator[Engine]:
    """One on each kind of database."""
    yield open_database(f"sqlite:///{folder / 'bench.db'}")
    with private_postgresql(folder) as url:
        yield open_database(url)


def show(figures: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures), flush=True)
    else:
        print("  ".join(f"{name} {value}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
