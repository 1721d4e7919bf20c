"""A launch command run as a child, with what it cannot take from a command line: standard library only.

The child may get a file that is removed with it, and signals in the form that it obeys. As a program:

    python -I -S run_child.py 2,2 3 LINE... -- COMMAND {file} OPTION PROGRAM ...

sends two interrupts for one TERM, HUP or INT, and puts the path of a file with these lines in the place of
`{file}` in the first 3 words: those that follow are a person's own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

FILE = "{file}"
PAUSE_SECONDS = 0.2  # between two signals that stand for one
_PR_SET_PDEATHSIG = 1  # prctl(2)


def words_to_run(
    command: Sequence[str], signals: Sequence[int] = (signal.SIGTERM,), lines: Sequence[str] = ()
) -> list[str]:
    """The words that run `command` in this way.

    Args:
        signals: that the command gets, in this order, for each TERM, HUP or INT.
        lines: of a file, whose path replaces `{file}` in the command; none for no file. One word each, since
            the system limits the length of a word.
    """
    sent = ",".join(str(int(number)) for number in signals)
    return [sys.executable, "-I", "-S", __file__, sent, str(len(command)), *lines, "--", *command]


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit status, 128 and the signal when a signal ended it."""
    end = arguments.index("--")
    signals = [int(number) for number in arguments[0].split(",")]
    lines, command, ours = arguments[2:end], list(arguments[end + 1 :]), int(arguments[1])
    file = _file_of(lines) if lines else ""
    try:
        launch = [word.replace(FILE, file) if file else word for word in command[:ours]]
        return _run([*launch, *command[ours:]], signals)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error}\n")
        return 127
    finally:
        if file:
            Path(file).unlink()


def _file_of(lines: Sequence[str]) -> str:
    with tempfile.NamedTemporaryFile("w", prefix="ambs-launch-", delete=False) as file:
        file.write("".join(f"{line}\n" for line in lines))
        return file.name


def _run(command: Sequence[str], signals: Sequence[int]) -> int:
    import ctypes  # takes longer than all else here, and not all who import this module run a child

    prctl = ctypes.CDLL(None).prctl
    # Who is killed himself cannot pass that on.
    process = subprocess.Popen(command, preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM))

    def pass_on(_number: int, _frame: object) -> None:
        for index, number in enumerate(signals):
            if index:
                time.sleep(PAUSE_SECONDS)
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, pass_on)
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
