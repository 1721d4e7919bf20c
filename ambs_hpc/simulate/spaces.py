"""Published search spaces, kept as data in `data/spaces.json`.

They are the six of the HiPC 2018 study of AMBS and two more, as in the problem files of June 2018 (with
linear learning rates), and CANDLE Combo as in the 2023 study of decentralised search.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import cast

from ambs_hpc.errors import UsageError, nearest

PlainSpace = dict[str, object]  # as `ambs_hpc.problem.build_space` takes it


def published_space(name: str) -> PlainSpace:
    """The space of a published problem.

    Raises:
        UsageError: there is no space of that name.
    """
    known = _read()
    if name not in known:
        raise UsageError(f"There is no published space {name!r}. {nearest(name, known)}")
    return {parameter: _choice(entry) for parameter, entry in known[name].items()}


def box(dimensions: int, low: float, high: float) -> PlainSpace:
    """Real parameters x0, x1, ..., all from `low` to `high`."""
    return {f"x{index}": (low, high) for index in range(dimensions)}


def _read() -> dict[str, dict[str, dict[str, object]]]:
    file = resources.files("ambs_hpc.simulate") / "data" / "spaces.json"
    return cast("dict[str, dict[str, dict[str, object]]]", json.loads(file.read_text()))


def _choice(entry: dict[str, object]) -> object:
    if "choices" in entry:
        return entry["choices"]
    bounds = (entry["low"], entry["high"])
    return (*bounds, "log") if entry.get("log") else bounds
