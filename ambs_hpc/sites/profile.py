"""The profile of a site: its nodes, queues, launch command and rules, as a `site_configs/*.yml` states them.

Limits are policies that change, so every profile states its date and its source.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from ambs_hpc.errors import NotFound, nearest
from ambs_hpc.problem.containers.container import PYTHON
from ambs_hpc.schedulers import SCHEDULERS
from ambs_hpc.sites.launch_families.registry import FAMILY_NAMES, NO_FAMILY

if TYPE_CHECKING:
    SchedulerName = str
    FamilyName = str
else:  # msgspec reads the accepted names from the annotation; a type checker cannot read them from a registry
    SchedulerName = Literal[SCHEDULERS]
    FamilyName = Literal[FAMILY_NAMES]
Count = Annotated[int, msgspec.Meta(ge=1)]
CountOrNone = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")  # few digits, so that a typing error cannot fill the memory


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The walltime that a range of sizes may request.

    Args:
        min_nodes, max_nodes: both included, in the queue's unit, >= 1.
        max_minutes: longest walltime.
        route: the execution queue to which such a request is routed; it must not be named when submitting.
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
        default_minutes: walltime of requests that name none; None where a request must name one.
        max_node_minutes: nodes times minutes of a request, at most.
        max_user_nodes: nodes that a user's running allocations may have together.
        charged_nodes: smallest number of nodes that is allocated and charged, however few are requested.
        charge_factor: charge for a node-hour.
        unit: what "nodes" counts; "gpu" is a piece of one node.
        sizes: the only accepted sizes; empty accepts all sizes within the tiers.
        max_running, max_queued: allocations of a user (or project) at a time.
        max_array: width beyond which an array never runs.
        by_request: closed until the centre opens it for a project.
        preemptable: its allocations may be killed without notice.
        directives: arguments of the submit command that select the queue where its name alone does not.
        note: information for people.
    """

    tiers: Annotated[list[Tier], msgspec.Meta(min_length=1)]
    min_minutes: CountOrNone = 0
    default_minutes: Count | None = None
    max_node_minutes: Count | None = None
    max_user_nodes: Count | None = None
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
        """Smallest size of any tier."""
        return self.tiers[0].min_nodes

    @property
    def max_nodes(self) -> int:
        """Largest size of any tier."""
        return self.tiers[-1].max_nodes

    def longest_minutes(self, nodes: int) -> int | None:
        """Longest walltime for a number of nodes; None when the queue does not accept that size."""
        if self.sizes and nodes not in self.sizes:
            return None
        for tier in self.tiers:
            if tier.min_nodes <= nodes <= tier.max_nodes:
                longest = tier.max_minutes
                if self.max_node_minutes is not None:
                    longest = min(longest, self.max_node_minutes // nodes)
                return longest or None
        return None

    def charged(self, nodes: int, minutes: int) -> float:
        """Node-hours (GPU-hours where the unit is a GPU) charged for a request that runs to its end."""
        return max(nodes, self.charged_nodes) * minutes / 60 * self.charge_factor


class NodeShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node as an evaluation sees it.

    Args:
        cores: physical cores.
        threads_per_core: hardware threads of a core.
        thread_numbering: thread t of core c is processor c + t * `cores` when "spread", as on all machines
            described here, and c * `threads_per_core` + t when "adjacent".
        architecture: instruction set of its processors, as `uname -m` prints it.
        reserved_cores: cores left to the system, as "0,52" or "0-3".
        job_threads_per_core: hardware threads of each core that an allocation gets; None gives all.
        memory_gib: memory that evaluations may use, less than the physical memory; 0 when unknown. The GPUs'
            own memory is not counted, unless `gpu_memory` is "unified".
        gpus: number of devices as evaluations count them: GPUs, or tiles where `gpu_names` names tiles.
        gpu_names: value of the GPU variable for each; empty means 0, 1, 2, ...
        gpu_cores: cores next to each GPU, in the order of `gpu_names`, as "24-31".
        gpus_share_cores: several GPUs are next to the same cores, so that `gpu_cores` may name a core twice.
        gpu_memory: "separate" from that of the processors; "coherent" where the system counts it as memory of
            the node although it is another (Grace Hopper); "unified" where both use the same (MI300A).
        description: text about the hardware.
        found: nothing is known, so every node is assumed to be like the one where the launcher starts.
    """

    cores: Count
    threads_per_core: Count = 1
    thread_numbering: Literal["spread", "adjacent"] = "spread"
    architecture: Literal["x86_64", "aarch64", "ppc64le"] = "x86_64"
    reserved_cores: str = ""
    job_threads_per_core: Count | None = None
    memory_gib: Amount = 0.0
    gpus: CountOrNone = 0
    gpu_names: list[str] = []
    gpu_cores: list[str] = []
    gpus_share_cores: bool = False
    gpu_memory: Literal["separate", "coherent", "unified"] = "separate"
    description: str = ""
    found: bool = False

    @property
    def names_of_gpus(self) -> list[str]:
        """The value of the GPU variable for each device."""
        return self.gpu_names or [str(number) for number in range(self.gpus)]

    @property
    def usable_cores(self) -> list[int]:
        """Cores that evaluations may use."""
        reserved = set(core_numbers(self.reserved_cores))
        return [core for core in range(self.cores) if core not in reserved]

    @property
    def job_processors(self) -> int:
        """Hardware threads that an allocation gets of a node."""
        return len(self.usable_cores) * (self.job_threads_per_core or self.threads_per_core)

    def processors_of(self, core: int) -> list[int]:
        """The system's numbers of the hardware threads of a core."""
        threads = range(self.threads_per_core)
        if self.thread_numbering == "adjacent":
            return [core * self.threads_per_core + thread for thread in threads]
        return [core + thread * self.cores for thread in threads]


class Launch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How processes are started on granted nodes.

    Args:
        family: the family of launch commands whose options it understands, see `launch_families.registry`;
            "none" starts processes on this node only.
        program: its executable; empty for the family's usual name.
        flags: options that are always given.
        packs: whether several runs of the command may share a node.
        most_at_once: runs at a time in one allocation.
    """

    family: FamilyName = NO_FAMILY
    program: str = ""
    flags: list[str] = []
    packs: bool = True
    most_at_once: Count | None = None


class Recognition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signs by which `ambs init` recognises the machine that it runs on; any one of them is enough.

    Args:
        hosts: patterns of host names, as "polaris-login-*" or "*.frontera.tacc.utexas.edu".
        environment: environment variables and patterns of their values.
        clusters: names of Slurm's cluster.
        main: of several profiles of one machine the one that is taken.
    """

    hosts: list[str] = []
    environment: dict[str, str] = {}
    clusters: list[str] = []
    main: bool = True


class ContainerDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the machine adds to the containers in which evaluations run; see `problem.containers`.

    Args:
        image: for evaluations whose problem names none; empty runs them on the nodes themselves.
        program: which one starts containers; empty for the first on PATH.
        binds: folders of the nodes that every container sees, as a problem's `binds`.
        gpus: "nvidia", "amd" or "none" instead of what the nodes have.
        flags: further options of the program.
        python: the interpreter in `image`; empty where it has none.
    """

    image: str = ""
    program: str = ""
    binds: list[str] = []
    gpus: str = ""
    flags: list[str] = []
    python: str = PYTHON

    def to_json(self) -> dict[str, object]:
        """The values as a problem's container is stored."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine.

    Args:
        as_of, source: date and source of its figures.
        estimated: paths of figures that are estimates or at second hand, as "node.memory_gib".
        recognised_by: the signs of this machine.
        queues: queues by name; empty where the profile does not know them, and any name is accepted.
        default_queue: queue of requests that name none; empty leaves the choice to the scheduler.
        project_required, filesystems_required: requests without one are refused there, or vanish.
        filesystems: file systems of requests that name none.
        other_filesystems: further file systems that a request may name.
        directives: further arguments of every request, or attributes where the scheduler has them.
        select: further words of a PBS chunk, such as "system=polaris".
        script_host: where the script runs: "mom" (a shared service node), "compute" (the first node granted)
            or "here".
        node_name: form of a node's name where the scheduler gives only its number, as "nid%05d".
        gpu_variable: the environment variable that hides other GPUs.
        gpus_are_narrowed: the scheduler has set that variable, which is read and not overwritten.
        preamble: lines of shell before anything else.
        environment: environment variables of every script.
        compute_internet: how programs on compute nodes reach the internet.
        login_cores, login_tasks, login_memory_gib: what a user may use on a login node.
        login_cpu_minutes: CPU time after which a process on a login node is ended.
        login_computing: whether what computes, as a search does, may run on a login node.
        retired: date since which the machine is out of service.
        note: information for people.
    """

    name: str
    scheduler: SchedulerName
    node: NodeShape
    as_of: datetime.date
    source: str
    estimated: list[str] = []
    recognised_by: Recognition = Recognition()
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
    container: ContainerDefaults = ContainerDefaults()
    script_host: Literal["mom", "compute", "here"] = "compute"
    node_name: str = ""
    gpu_variable: str = "CUDA_VISIBLE_DEVICES"
    gpus_are_narrowed: bool = False
    preamble: list[str] = []
    environment: dict[str, str] = {}
    scratch: str = ""
    compute_internet: Literal["unknown", "direct", "proxy", "none"] = "unknown"
    login_cores: Count | None = None
    login_tasks: Count | None = None
    login_memory_gib: Amount | None = None
    login_cpu_minutes: Count | None = None
    login_computing: bool = True
    retired: datetime.date | None = None
    note: str = ""

    def queue(self, name: str) -> Queue:
        """The queue of that name.

        Raises:
            NotFound: the site has no such queue.
        """
        if name in self.queues:
            return self.queues[name]
        raise NotFound(f"{self.name} has no queue {name!r}. {nearest(name, self.queues)}")


def core_numbers(text: str) -> list[int]:
    """The numbers of "0-3,7": [0, 1, 2, 3, 7].

    Raises:
        ValueError: the text has another form.
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
