"""Lists of hosts on a command line: the system takes no word of 128 KiB, and thousands of hosts are longer.

Source: Linux, execve(2), MAX_ARG_STRLEN of 32 pages; host lists as Slurm and Flux (RFC 29) read them.
"""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Iterable, Sequence

from ambs_hpc.sites.launch_families.run_child import words_to_run

LONGEST_WORD = 100 * 1024  # bytes
_NUMBERED = re.compile(r"(.*?)(\d{1,18})\Z")


def naming_hosts(
    before: Sequence[str],
    hosts: Sequence[str],
    after: Sequence[str],
    by_file: Sequence[str],
    lines: Sequence[str],
) -> list[str]:
    """A launch command that names its hosts in words, or in a file where a word would be too long.

    Args:
        before, after: the words around.
        hosts: the words that name the hosts.
        by_file: the words in their place that name a file, as `run_child.FILE`.
        lines: of that file.
    """
    if all(len(word) <= LONGEST_WORD for word in hosts):
        return [*before, *hosts, *after]
    return words_to_run([*before, *by_file, *after], (signal.SIGTERM,), lines)


def short_list(nodes: Sequence[str]) -> str:
    """The nodes with commas between them; by ranges, as `n[1-3,7]`, where that would be too long."""
    plain = ",".join(nodes)
    return plain if len(plain) <= LONGEST_WORD else by_ranges(nodes)


def by_ranges(nodes: Iterable[str]) -> str:
    """The nodes as a list with ranges, `n[1-3,7],login`; plain numbers, of a Cray, as `1-3,7`.

    Names of one beginning and one number of digits share brackets, so that leading zeros are kept.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    others: list[str] = []
    for node in nodes:
        found = _NUMBERED.match(node)
        if found is None:
            others.append(node)
        else:
            groups.setdefault((found[1], len(found[2])), []).append(int(found[2]))
    parts = [_bracketed(start, digits, numbers) for (start, digits), numbers in groups.items()]
    return ",".join([*parts, *others])


def _bracketed(start: str, digits: int, numbers: Iterable[int]) -> str:
    ranges: list[str] = []
    ordered = sorted(set(numbers))
    for _, group in itertools.groupby(enumerate(ordered), key=lambda one: one[1] - one[0]):
        run = [number for _, number in group]
        ends = [f"{number:0{digits}d}" for number in dict.fromkeys((run[0], run[-1]))]
        ranges.append("-".join(ends))
    inside = ",".join(ranges)
    return f"{start}[{inside}]" if start and not inside.isdigit() else f"{start}{inside}"
