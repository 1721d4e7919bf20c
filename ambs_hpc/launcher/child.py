"""The program of a nest: `python -m ambs_hpc.launcher.child FD [MODULE:FUNCTION DIRECTORY]`."""

from __future__ import annotations

import socket
import sys

from ambs_hpc.launcher.nest import Nest


def main(arguments: list[str]) -> None:
    """Serve the launcher on the inherited socket FD; a function has its evaluations forked."""
    control = socket.socket(fileno=int(arguments[0]))
    objective = (arguments[1], arguments[2]) if len(arguments) > 1 else None
    Nest(control, objective).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
