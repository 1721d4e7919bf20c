"""What Cobalt's clients say when they do not reach the queue manager, and what qhold prints."""

from __future__ import annotations

NOISE = 'No handlers could be found for logger "Proxy"\n'
_FRAMES = (
    ("Cobalt/Proxy.py", 129, "__call__", "retval = _Method.__call__(self, *args)"),
    ("xmlrpclib.py", 1243, "__call__", "return self.__send(self.__name, args)"),
    ("Cobalt/Proxy.py", 270, "connect", "self.sock.connect((self.host, self.port))"),
    ("socket.py", 228, "meth", "return getattr(self._sock,name)(*args)"),
)


def refused_connection() -> str:
    """The fault after a refused connection: a traceback on one line, its breaks as two characters."""
    at = "2026-11-25 04:45:52.807830"
    lines = ["-" * 32 + " START TRACEBACK " + "-" * 30]
    lines += ["    Exception  : error: [Errno 111] Connection refused", f"    Time       : {at}", "-" * 80]
    for file, number, function, code in _FRAMES:
        lines += [
            f'  {at}|File "/usr/lib/python2.7/{file}", line {number}, in {function}',
            f"  {at}|    {code}",
        ]
    lines.append("-" * 32 + " END TRACEBACK " + "-" * 32)
    return "<Fault 20: '" + "\\n".join(lines) + "'>"


def no_answer(kind: object, verb: str) -> str:
    """What a client says on stderr.

    Args:
        kind: "died" where its process is gone and the address still known, else it is not known either.
        verb: what was asked of the queue manager; "" for a submission, which asks the system component first.
    """
    if kind == "died":
        return NOISE + (
            f"component error: XMLRPC failure {refused_connection()} in queue-manager.{verb}\n"
            if verb
            else refused_connection()
        )
    if not verb:
        return NOISE + "component error: Failed to connect to system: Proxy.py     :L#422:cn:system\n"
    return (
        f"component error: Following exception occurred while trying to execute queue-manager.{verb}: "
        "Proxy.py     :L#422:cn:queue-manager\n"
    )


def hold_answer(number: int, state: str) -> str:
    """What qhold prints, with exit code 0 whatever it did."""
    if state == "queued":
        return f"Placed user hold on jobs: \n      {number}\n"
    trouble = "already in state 'user hold'" if state == "held" else "already active"
    words = f"job {number} {trouble}" if state == "held" else f"job {number} is {trouble}"
    return f"   Failed to place user hold on jobs: \n      {words}\n"
