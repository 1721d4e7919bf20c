"""`python -m ambs_hpc.simulate.faults.main`: run many seeds and tell which of them fail.

A failing seed is shown again with `--seeds 1 --first SEED --events`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from ambs_hpc.simulate.faults.fault_run import FaultRun
from ambs_hpc.simulate.faults.seed_totals import SeedTotals, run_all

PROGRESS_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that the command line asks for; 1 when one of them fails."""
    parser = argparse.ArgumentParser(prog="python -m ambs_hpc.simulate.faults.main", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1, help="how many processes share them")
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")
    parser.add_argument("--events", action="store_true", help="print the events of failing seeds")
    options = parser.parse_args(arguments)
    totals, shown_at = SeedTotals(), time.monotonic()
    digests: dict[int, str] = {}
    for run in run_all(options.first, options.seeds, options.processes):
        totals.add(run)
        digests[run.seed] = run.digest
        if run.violations:
            _tell(f"seed {run.seed} fails: {run.violations[0]}")
        if time.monotonic() - shown_at > PROGRESS_SECONDS:
            shown_at = time.monotonic()
            hours = totals.virtual_seconds / 3600
            _tell(
                f"{totals.seeds}/{options.seeds} seeds, {hours:.0f} virtual h, {len(totals.failing)} failing"
            )
    if options.json:
        sys.stdout.write(json.dumps({**totals.to_json(), "digests": digests}) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in totals.lines())
    if options.events:
        sys.stdout.writelines(f"{line}\n" for run in totals.failing for line in _events(run))
    return 1 if totals.failing else 0


def _events(run: FaultRun) -> list[str]:
    return [f"seed {run.seed}: {run.injected}", *run.events]


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
