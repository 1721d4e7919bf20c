"""The line that a person needs of what a program of somebody else has printed."""

from __future__ import annotations

import pytest

from ambs_hpc.schedulers.last_words import MOST_CHARACTERS, last_words

SRUN = """srun: error: Unable to create step for job 7: More processors requested than permitted
srun: cluster configuration lacks support for cpu binding
"""
OPTION = """srun: unrecognized option '--nonsense'
Try "srun --help" for more information
"""
PREAMBLE = """/home/alice/camp2/ambs-allocations/8.sh: line 6: module: command not found
Wed Nov 25 07:13:59 2026 +0000 (UTC) Info: task completed normally with an exit code of 7; cleaning up
"""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (SRUN, SRUN.splitlines()[0]),
        (OPTION, OPTION.splitlines()[0]),
        (PREAMBLE, PREAMBLE.splitlines()[0]),
        ("\x1b[31mcolour", "?[31mcolour"),
        ("one\n\ntwo\n", "two"),
        ("x" * 500, "x" * MOST_CHARACTERS),
        ("", ""),
    ],
)
def test_the_telling_line_is_found(said: str, words: str) -> None:
    """Between banners and notes, and never so that it could control a terminal or fill a table."""
    assert last_words(said) == words


def test_without_an_error_there_may_be_none() -> None:
    """A banner is no reason."""
    assert last_words("welcome\n", telling=True) == ""
    assert last_words(PREAMBLE, telling=True) == PREAMBLE.splitlines()[0]
