"""IBM's jsrun, on machines like Summit.

Only an explicit resource file names hosts and processors. A step has its processors to itself, so others that
want them wait until it ends: the site says `packs: false`.

Source: IBM Job Step Manager 10.1, "Explicit Resource File (ERF) format"; OLCF's user guide of Summit.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.launch_families.run_child import FILE, words_to_run

PROGRAM = "jsrun"
# Processors have the system's numbers; those that the machine keeps for itself are left out without an error.
_HEAD = (
    "cpu_index_using: physical",
    "overlapping_rs: allow",
    "skip_missing_cpu: allow",
    "skip_missing_gpu: warn",
    "oversubscribe_cpu: warn",
    "oversubscribe_gpu: allow",
    "oversubscribe_mem: allow",
    "launch_distribution: packed",
)


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start and bind these ranks, from a file that is removed when they have ended."""
    ending = ["--exit_on_error", "1" if ranks.stand_together else "0"]
    words = [program, "--erf_input", FILE, *ending, *flags]
    return words_to_run(words, (signal.SIGTERM,), resource_lines(ranks))


def resource_lines(ranks: Ranks) -> list[str]:
    """The lines of the explicit resource file: one for each rank, with its host, processors and GPUs."""
    last = ranks.processors_per_rank - 1 if ranks.last_processor is None else ranks.last_processor
    everything = f"0-{last}"
    processors = [",".join(map(str, cores)) for cores in ranks.cores] or [everything] * ranks.per_node
    gpus = f" ; gpu: {{{','.join(ranks.gpus)}}}" if ranks.gpus else ""
    places = [(node, one) for node in ranks.nodes for one in processors]
    return [
        *_HEAD,
        *(
            f"rank: {rank}: {{ host: {node}; cpu: {{{one}}}{gpus} }}"
            for rank, (node, one) in enumerate(places)
        ),
    ]
