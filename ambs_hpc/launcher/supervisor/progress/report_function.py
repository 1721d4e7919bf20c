"""`ambs_hpc.report`: an evaluation tells how far it is; outside of one nothing happens."""

from __future__ import annotations

import json
import os
import sys

from ambs_hpc.launcher.supervisor.function_main import is_first_rank
from ambs_hpc.launcher.supervisor.metrics import read_metrics
from ambs_hpc.launcher.supervisor.progress.report_lines import LONGEST_LINE, parse

VARIABLE = "AMBS_REPORTS"
MOST_TOLD = 10  # complaints of a process: a training may report at each of a million steps
_told: list[str] = []


def report(step: int, value: object, /, **metrics: object) -> None:
    """Tell of the objective, and metrics, after a step of this evaluation; it is there at once on disk.

    Outside of an evaluation, and in all ranks of an MPI program but the first, nothing happens. Nothing is
    ever raised: what is no report is left out, with a line on the standard error that says why.

    Args:
        step: a whole number >= 0, such as the epochs done; steps need not rise. An attempt tells of each step
            once: what it says later of the same one is left out.
        value: the objective after that step, a finite number; an array or a tensor of one element will do.
        metrics: numbers, truth values and short texts.
    """
    file = os.environ.get(VARIABLE, "")
    try:
        line = _line(step, value, metrics)
        if file and is_first_rank(os.environ):
            _append(file, line)
    except Exception as error:  # noqa: BLE001  a training of hours must not end because it tells of itself
        _complain(f"report at step {step!r:.40} is left out: {error}")


def _line(step: object, value: object, metrics: dict[str, object]) -> bytes:
    told = {**metrics, "step": _only_element(step), "objective": _only_element(value)}
    kept, left_out = read_metrics(told)
    found = parse(kept)
    if isinstance(found, str):
        raise ValueError(f"{found}; accepted are a whole number >= 0 as step and a finite number as value")
    whole, objective, plain = found
    for name in metrics:
        if name not in plain:
            left_out.append(
                f"metric {name!r} of a report is left out: accepted are finite numbers, "
                "truth values and short texts"
            )
    for sentence in left_out:
        _complain(sentence)
    line = json.dumps({"step": whole, "objective": objective, **plain}).encode()
    if len(line) > LONGEST_LINE:
        raise ValueError(f"it has {len(line)} bytes as JSON; accepted are {LONGEST_LINE}")
    return line


def _only_element(value: object) -> object:
    """The element of what has an `item()`, as arrays and tensors have; else the value."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _append(file: str, line: bytes) -> None:
    """By one write, behind whatever others have written at the same moment."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(file, flags, 0o644)
    try:
        os.write(descriptor, line + b"\n")
    finally:
        os.close(descriptor)


def _complain(sentence: str) -> None:
    if len(_told) < MOST_TOLD and sentence not in _told:
        _told.append(sentence)
        print(f"ambs: {sentence}", file=sys.stderr)  # noqa: T201  beside what the evaluation printed
