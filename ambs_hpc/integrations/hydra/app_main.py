"""One evaluation of a Hydra program: `python -m ambs_hpc.integrations.hydra.app_main`, which becomes it.

The program runs in the folder in which the sweep was started, as with Hydra's own sweepers; what Hydra writes
goes to the attempt's folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

CALLBACK = "ambs_hpc.integrations.hydra.result_callback.ResultCallback"


def program_arguments(arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> list[str]:
    """The arguments of the Python interpreter that runs the program.

    Args:
        arguments: those of this module, without `--folder`'s value having been entered yet.
        folder: the attempt's.
        environment: of the evaluation.
    """
    given = _parsed(arguments)
    program = ["-m", given.module] if given.module else [given.script]
    number, attempt = environment.get("AMBS_ORDINAL", "0"), environment.get("AMBS_ATTEMPT", "1")
    return [
        *program,
        *(word for flag in given.flag for word in flag.split("=", 1)),
        *given.overrides,
        "hydra.mode=RUN",  # also where the program's configuration says MULTIRUN
        f"hydra.run.dir={_quoted(folder)}",
        f"hydra.job.num={number}",
        f"hydra.job.id=ambs-{environment.get('AMBS_EVALUATION', '0')}-{attempt}",
        f"++hydra.callbacks.ambs._target_={CALLBACK}",
    ]


def main() -> None:
    """Become the program."""
    arguments = program_arguments(sys.argv[1:], os.getcwd(), os.environ)  # noqa: PTH109  the start is timed
    os.chdir(_parsed(sys.argv[1:]).folder)
    os.execv(sys.executable, [sys.executable, *arguments])


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ambs_hpc.integrations.hydra.app_main")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--module", default="")
    parser.add_argument("--script", default="")
    parser.add_argument("--flag", action="append", default=[])
    parser.add_argument("overrides", nargs="*")
    return parser.parse_args(list(arguments))


def _quoted(text: str) -> str:
    escaped = text.replace("'", r"\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    main()
