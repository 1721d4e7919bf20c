"""ssh as a cluster's Cobalt uses it: `python cobalt_ssh.py PLAN`, PLAN being JSON.

This process is the client on the management host, and all that a signal of the scheduler reaches. The script
runs below a pretend sshd, in a session of its own. When the client dies, sshd ends: the script loses its
parent and the readers of its output, hears nothing, and lives on.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path


def client(plan: dict[str, object]) -> int:
    ours, theirs = os.pipe()  # its end tells sshd of our death
    server = os.fork()
    if server == 0:
        os.close(theirs)
        os.setsid()
        os._exit(sshd(plan, ours))
    os.close(ours)
    return os.waitstatus_to_exitcode(os.waitpid(server, 0)[1])


def sshd(plan: dict[str, object], client_pipe: int) -> int:
    script = subprocess.Popen(
        plan["argv"],  # type: ignore[call-overload]
        cwd=plan["directory"],
        env=plan["environ"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    Path(str(plan["pid_file"])).write_text(str(script.pid))
    selector = selectors.DefaultSelector()
    selector.register(client_pipe, selectors.EVENT_READ, "")
    for pipe, name in ((script.stdout, "output"), (script.stderr, "error")):
        selector.register(pipe, selectors.EVENT_READ, str(plan[name]))
    while len(selector.get_map()) > 1:
        for key, _ in selector.select():
            read = os.read(key.fd, 65536)
            if not key.data:
                return 255  # the client is dead
            if read:
                with Path(key.data).open("ab") as file:
                    file.write(read)
            else:
                selector.unregister(key.fd)
    return max(script.wait(), 0)


if __name__ == "__main__":
    sys.exit(client(json.loads(sys.argv[1])))
