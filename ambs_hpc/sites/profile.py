"""What a site is: its nodes, queues, launch command and rules, as one `site_configs/*.yml` states them.

Limits are policy, so they move: every profile says as of when, and from where, it is.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal

import msgspec

from ambs_hpc.errors import NotFound, nearest

Scheduler = Literal["cobalt", "pbs", "slurm", "local"]
Count = Annotated[int, msgspec.Meta(ge=1)]
CountOrNone = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")  # so few digits that a slip cannot fill the memory


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Walltime that a range of sizes may ask for.

    Args:
        min_nodes, max_nodes: both included, in the queue's unit, >= 1.
        max_minutes: longest walltime.
        route: the execution queue that such a request ends in; it must not be named when submitting.
    """

    min_nodes: Count
    max_nodes: Count
    max_minutes: Count
    route: str = ""


class Queue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A queue, partition or quality of service.

    Args:
        tiers: in ascending order of nodes, without overlap.
        min_minutes: shortest walltime.
        charged_nodes: at least so many are allocated and charged, however few are asked for.
        charge_factor: of a node-hour.
        unit: what "nodes" counts; "gpu" is a piece of one node.
        sizes: the only sizes that are accepted; empty accepts all within the tiers.
        max_running, max_queued: allocations of a user (or project) at a time.
        max_array: a wider array never runs.
        by_request: closed until the centre opens it for a project.
        preemptable: its allocations may be killed without a word.
        directives: how it is asked for where its name alone does not do, as arguments of the submit command.
        note: what a person should know.
    """

    tiers: Annotated[list[Tier], msgspec.Meta(min_length=1)]
    min_minutes: CountOrNone = 0
    charged_nodes: Count = 1
    charge_factor: Amount = 1.0
    unit: Literal["node", "gpu"] = "node"
    sizes: list[Count] = []
    max_running: Count | None = None
    max_queued: Count | None = None
    max_array: Count | None = None
    by_request: bool = False
    preemptable: bool = False
    directives: list[str] = []
    note: str = ""

    @property
    def min_nodes(self) -> int:
        return self.tiers[0].min_nodes

    @property
    def max_nodes(self) -> int:
        return self.tiers[-1].max_nodes

    def longest_minutes(self, nodes: int) -> int | None:
        """Longest walltime for so many nodes; None when the queue does not take that size."""
        if self.sizes and nodes not in self.sizes:
            return None
        for tier in self.tiers:
            if tier.min_nodes <= nodes <= tier.max_nodes:
                return tier.max_minutes
        return None

    def charged(self, nodes: int, minutes: int) -> float:
        """NodeShape-hours (GPU-hours where the unit is a GPU) that a request costs if it runs to its end."""
        return max(nodes, self.charged_nodes) * minutes / 60 * self.charge_factor


class NodeShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node as an evaluation sees it.

    Args:
        cores: physical cores.
        threads_per_core: hardware threads of a core.
        thread_numbering: thread t of core c is processor c + t * `cores` when "spread", as on all machines
            described here, and c * `threads_per_core` + t when "adjacent".
        reserved_cores: left to the system, as "0,52" or "0-3".
        memory_gib: usable by evaluations; 0 when unknown.
        gpus: devices as evaluations count them: GPUs, or tiles where `gpu_names` says so.
        gpu_names: what the GPU variable is set to for each; empty means 0, 1, 2, ...
        gpu_cores: cores next to each GPU, in the order of `gpu_names`, as "24-31".
        description: of the hardware.
        found: nothing is known here: every node is taken to be as the one where the launcher starts.
    """

    cores: Count
    threads_per_core: Count = 1
    thread_numbering: Literal["spread", "adjacent"] = "spread"
    reserved_cores: str = ""
    memory_gib: Amount = 0.0
    gpus: CountOrNone = 0
    gpu_names: list[str] = []
    gpu_cores: list[str] = []
    description: str = ""
    found: bool = False

    @property
    def names_of_gpus(self) -> list[str]:
        return self.gpu_names or [str(number) for number in range(self.gpus)]

    @property
    def usable_cores(self) -> list[int]:
        """Cores that evaluations may use."""
        reserved = set(core_numbers(self.reserved_cores))
        return [core for core in range(self.cores) if core not in reserved]

    def processors_of(self, core: int) -> list[int]:
        """The numbers that the system gives to the hardware threads of a core."""
        threads = range(self.threads_per_core)
        if self.thread_numbering == "adjacent":
            return [core * self.threads_per_core + thread for thread in threads]
        return [core + thread * self.cores for thread in threads]


class Launch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How processes are started on granted nodes.

    Args:
        family: whose options are understood: Slurm's srun, the mpiexec of Cray's PALS, that of MPICH (Hydra)
            or of Open MPI, or aprun. "none" starts on this node only.
        program: its executable; empty for the family's usual name.
        flags: always given.
        packs: whether several runs may share a node.
        most_at_once: runs at a time in one allocation.
    """

    family: Literal["srun", "pals", "hydra", "openmpi", "aprun", "none"] = "none"
    program: str = ""
    flags: list[str] = []
    packs: bool = True
    most_at_once: Count | None = None


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine.

    Args:
        as_of, source: when and where its figures were read.
        queues: by name; empty on a site whose queues this profile does not know, which accepts any.
        default_queue: taken when a request names none; empty leaves the choice to the scheduler.
        project_required, filesystems_required: requests without one are refused there, or vanish.
        filesystems: named when a request names none.
        other_filesystems: that a request may name too.
        directives: further arguments of every request; attributes, where the scheduler is Cobalt.
        select: further words of a PBS chunk, such as "system=polaris".
        script_host: where the script runs: "mom" (a shared service node), "compute" (the first node granted)
            or "here".
        node_name: of a node, where the scheduler tells only its number, as "nid%05d".
        gpu_variable: the one variable that hides other GPUs.
        gpus_are_narrowed: it is set already, to be read and not overwritten.
        preamble: lines of shell before anything else.
        environment: variables of every script.
        login_cores, login_tasks, login_memory_gib: what a user may take on a login node.
        retired: since when the machine is gone.
        note: what a person should know.
    """

    name: str
    scheduler: Scheduler
    node: NodeShape
    as_of: datetime.date
    source: str
    description: str = ""
    nodes: Count | None = None
    queues: dict[str, Queue] = {}
    default_queue: str = ""
    project_required: bool = False
    filesystems_required: bool = False
    filesystems: list[str] = []
    other_filesystems: list[str] = []
    directives: list[str] = []
    select: str = ""
    launch: Launch = Launch()
    script_host: Literal["mom", "compute", "here"] = "compute"
    node_name: str = ""
    gpu_variable: str = "CUDA_VISIBLE_DEVICES"
    gpus_are_narrowed: bool = False
    preamble: list[str] = []
    environment: dict[str, str] = {}
    scratch: str = ""
    login_cores: Count | None = None
    login_tasks: Count | None = None
    login_memory_gib: Amount | None = None
    retired: datetime.date | None = None
    note: str = ""

    def queue(self, name: str) -> Queue:
        """
        Raises:
            NotFound: the site has no such queue.
        """
        if name in self.queues:
            return self.queues[name]
        raise NotFound(f"{self.name} has no queue {name!r}. {nearest(name, self.queues)}")


def core_numbers(text: str) -> list[int]:
    """The numbers of "0-3,7": [0, 1, 2, 3, 7].

    Raises:
        ValueError: not of that form.
    """
    numbers: list[int] = []
    for part in filter(None, re.sub(r"\s", "", text).split(",")):
        found = RANGE.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is neither a number nor a range")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"{part!r} runs backwards")
        numbers += range(first, last + 1)
    return numbers
