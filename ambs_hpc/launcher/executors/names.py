"""The executors' names, for options and messages; apart from the registry, which imports the executors."""

from __future__ import annotations

from typing import Literal, get_args

ExecutorName = Literal["auto", "process", "parsl", "balsam"]
EXECUTOR_NAMES: tuple[str, ...] = get_args(ExecutorName)
