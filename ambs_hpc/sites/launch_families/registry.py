"""The families of launch commands by the name that a site file gives.

A further family is one module of this folder with a pure function `arguments` from ranks to options, and the
usual name of the executable as `PROGRAM`. Where the options alone do not do, a function `command` gives all
words instead.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.sites.launch_families.ranks import Ranks

Arguments = Callable[[Ranks], list[str]]
Command = Callable[[str, Ranks, Sequence[str]], list[str]]

_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class LaunchFamily:
    """Launch commands that understand the same options.

    Args:
        program: the usual name of the executable.
        command: the words before a program, from the executable, the ranks and options that a site adds.
    """

    program: str
    command: Command


def found_families(folders: Iterable[str], package: str = _PACKAGE) -> dict[str, LaunchFamily]:
    """The families whose modules are in some folders, by the name of the module.

    Args:
        folders: of the package.
        package: whose modules they are.
    """
    found: dict[str, LaunchFamily] = {}
    for one in pkgutil.iter_modules(folders):
        if f"{package}.{one.name}" == __name__:
            continue
        module = importlib.import_module(f"{package}.{one.name}")
        if hasattr(module, "PROGRAM"):
            command = module.command if hasattr(module, "command") else _with_options(module.arguments)
            found[one.name] = LaunchFamily(module.PROGRAM, command)
    return dict(sorted(found.items()))


def _with_options(arguments: Arguments) -> Command:
    def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
        return [program, *arguments(ranks), *flags]

    return command


FAMILIES: Mapping[str, LaunchFamily] = found_families([str(Path(__file__).parent)])
NO_FAMILY = "none"  # a site without a launch command
FAMILY_NAMES: tuple[str, ...] = (*FAMILIES, NO_FAMILY)
