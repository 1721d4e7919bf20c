"""TACC's ibrun, which places ranks by their offset in the allocation's list of nodes.

Source: TACC's user guides of Frontera, Lonestar6 and Vista ("ibrun -n N -o OFFSET"). The number of ranks on a
node is IBRUN_TASKS_PER_NODE, in which the offset counts too; that of nodes and tasks it takes from Slurm's
variables, which the launcher passes to no launch command.
"""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.errors import NodesApart
from ambs_hpc.sites.launch_families.ranks import Ranks, slurm_counts

PROGRAM = "ibrun"
# One command for each run of neighbouring nodes; standard input goes to the first.
_SIDE_BY_SIDE = """
trap 'trap - TERM; kill -TERM 0' TERM INT HUP
program=$1 first_count=$2 first_offset=$3 rest=$4
shift 4
children=
for pair in $rest; do
    "$program" -n "${pair%:*}" -o "${pair#*:}" "$@" </dev/null &
    children="$children $!"
done
exec 3<&0
"$program" -n "$first_count" -o "$first_offset" "$@" <&3 &
children="$children $!"
status=0
for child in $children; do wait "$child" || status=$?; done
exit "$status"
"""


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start these ranks; ibrun binds none by lists of cores.

    Raises:
        NodesApart: MPI ranks would be on nodes that do not follow each other in the allocation.
    """
    runs = neighbours(ranks)
    setting = ["env", f"IBRUN_TASKS_PER_NODE={ranks.per_node}", *slurm_counts(ranks)]
    pairs = [(length * ranks.per_node, start * ranks.per_node) for start, length in runs]
    (count, offset), *others = pairs
    if not others:
        return [*setting, program, "-n", str(count), "-o", str(offset), *flags]
    if ranks.stand_together:
        raise NodesApart(
            "ibrun reaches only nodes that follow each other in the allocation, not "
            f"{', '.join(ranks.nodes)}. Take them all, or use a site with another launch command."
        )
    rest = " ".join(f"{number}:{place}" for number, place in others)
    words = ["sh", "-c", _SIDE_BY_SIDE, "ibrun", program, str(count), str(offset), rest, *flags]
    return [*setting, *words]


def neighbours(ranks: Ranks) -> list[tuple[int, int]]:
    """(index of the first node, how many) for each run of nodes that follow each other in the allocation."""
    places = sorted(list(ranks.granted or ranks.nodes).index(node) for node in ranks.nodes)
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs
