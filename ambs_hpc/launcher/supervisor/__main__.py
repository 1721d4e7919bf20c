"""The program of a supervisor: `python -m ambs_hpc.launcher.supervisor FD|- [MODULE:FUNCTION DIRECTORY]`."""

from __future__ import annotations

import os
import sys

from ambs_hpc.launcher.supervisor.messages import NodeTaken, encoded
from ambs_hpc.launcher.supervisor.outer_launch import leave_outer_launch
from ambs_hpc.launcher.supervisor.probes.node_lock import NodeInUse, NodeLock, claim_of, is_guess, lock_node
from ambs_hpc.launcher.supervisor.supervisor import Supervisor
from ambs_hpc.launcher.supervisor.transport import Transport


def main(arguments: list[str]) -> None:
    """Serve the launcher on the inherited socket FD, or through a launch command on standard streams.

    With a function, evaluations are forked from a process that has its module loaded. On a node that a
    launcher of another allocation has, nothing is served: our launcher is told so.
    """
    claim = claim_of(os.environ)
    leave_outer_launch()
    objective = (arguments[1], arguments[2]) if len(arguments) > 1 else None
    transport = _transport(arguments[0])
    lock = NodeLock() if claim is None else lock_node(claim)
    if isinstance(lock, NodeInUse):
        transport.send(encoded(NodeTaken(lock.who)))
        transport.finish()
        return
    binds = claim is None or not is_guess(claim)
    Supervisor(transport, objective, binds=binds).serve()
    lock.release()


def _transport(name: str) -> Transport:
    if name != "-":
        os.set_inheritable(int(name), False)  # an evaluation that had it could speak as we do, and outlive us
        return Transport(int(name), int(name))
    transport = Transport(os.dup(0), os.dup(1))  # not inherited by what we start
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what a module prints when it is imported is no message
    return transport


if __name__ == "__main__":
    main(sys.argv[1:])
