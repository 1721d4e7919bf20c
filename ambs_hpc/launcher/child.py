"""The program of a nest: `python -m ambs_hpc.launcher.child FD [MODULE:FUNCTION DIRECTORY]`."""

from __future__ import annotations

import importlib
import json
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ambs_hpc.launcher.nest import Nest

ERROR_CHARACTERS = 4000


def main(arguments: list[str]) -> None:
    """Serve the launcher on the inherited socket FD; import the function's module first, once."""
    control = socket.socket(fileno=int(arguments[0]))
    objective = None
    if len(arguments) > 1:
        try:
            objective = load_function(arguments[1], arguments[2])
        except BaseException:  # noqa: BLE001  the border to a person's module: whatever its import raises
            report = {"unloadable": traceback.format_exc()[-ERROR_CHARACTERS:]}
            control.send(json.dumps(report).encode())
            return
    Nest(control, objective).serve()


def load_function(name: str, directory: str) -> Callable[[dict[str, Any]], object]:
    """Import "module:function" with `directory` first on the import path.

    Raises:
        TypeError: the attribute cannot be called; else whatever the import raises.
    """
    module_name, _, function_name = name.partition(":")
    sys.path.insert(0, directory)
    function = getattr(importlib.import_module(module_name), function_name)
    if not callable(function):
        raise TypeError(f"{name} is a {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]  # callable, as checked


if __name__ == "__main__":
    main(sys.argv[1:])
