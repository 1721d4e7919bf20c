"""How the running program was started, as the command that starts it again for an evaluation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from hydra._internal.utils import get_args_parser

from ambs_hpc.errors import UsageError

APP_MAIN = "ambs_hpc.integrations.hydra.app_main"
# What belongs to the sweep as a whole, and is not an evaluation's.
OF_THE_SWEEP = (
    "hydra.mode",
    "hydra/sweeper",
    "hydra.sweeper",
    "hydra/launcher",
    "hydra.launcher",
    "hydra.sweep.",
)


def evaluation_command(
    main: ModuleType, argv: Sequence[str], hydra_overrides: Sequence[str], overrides: Sequence[str]
) -> list[str]:
    """The entries of the `Command` that runs one evaluation of this program.

    Two calls of the same program with the same options give the same entries, also when the folder was moved:
    a script in the current folder is named from there, and `.` stands for the folder.

    Args:
        main: the module `__main__`.
        argv: the program's own command line, without its name.
        hydra_overrides: overrides of Hydra itself, of the command line.
        overrides: all others, as entries of a Command.

    Raises:
        UsageError: the program was not started from a file or by `python -m`.
    """
    kept = [_braces(one) for one in hydra_overrides if not one.lstrip("+~").startswith(OF_THE_SWEEP)]
    command = [sys.executable, "-m", APP_MAIN, "--folder", ".", *_program(main), *_flags(argv)]
    return [*command, "--", *kept, *overrides]


def _program(main: ModuleType) -> list[str]:
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return [f"--module={spec.name.removesuffix('.__main__')}"]
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).is_file():
        raise UsageError(
            "evaluations start the program anew, and this one was not started from a file. Put the function "
            "under @hydra.main into a file, and run: python FILE --multirun hydra/sweeper=ambs"
        )
    script = Path(file).absolute()
    inside = script.is_relative_to(Path.cwd())
    return ["--script", str(script.relative_to(Path.cwd()) if inside else script)]


def _flags(argv: Sequence[str]) -> list[str]:
    """Hydra's options that decide which configuration is read."""
    given = get_args_parser().parse_args(list(argv))
    flags = {
        "--config-path": given.config_path,
        "--config-name": given.config_name,
        "--config-dir": given.config_dir,
    }
    return [f"--flag={name}={_braces(value)}" for name, value in flags.items() if value is not None]


def _braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
