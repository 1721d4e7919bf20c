"""Which cores, GPUs, memory and nodes an evaluation gets; pure values, no processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ambs_hpc.records import Resources

UNLIMITED_GIB = float("inf")


@dataclass(frozen=True, slots=True)
class Node:
    """What one node has to give.

    Args:
        name: host name.
        cores: ids of its processors; an id that is listed k times may be given k times (oversubscription).
        gpus: ids of its GPUs or tiles, as the visibility variable names them.
        memory_gib: infinity when memory is not counted.
        near: processors that are close to a GPU, by GPU id; empty when the site gives no map.
    """

    name: str
    cores: tuple[int, ...]
    gpus: tuple[str, ...] = ()
    memory_gib: float = UNLIMITED_GIB
    near: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """What a slot has on one node."""

    node: str
    cores: tuple[int, ...]
    gpus: tuple[str, ...]
    memory_gib: float


@dataclass(frozen=True, slots=True)
class Slot:
    """What one evaluation occupies: a share of one node, or of several."""

    shares: tuple[Share, ...]

    @property
    def node(self) -> str:
        """The node of the first rank."""
        return self.shares[0].node


class _Free:
    """What is still free on one node."""

    def __init__(self, node: Node, place: int) -> None:
        """`place`: of the node in the allocation."""
        self.node, self.place = node, place
        self.cores = list(node.cores)
        self.gpus = list(node.gpus)
        self.memory_gib = node.memory_gib

    @property
    def is_whole(self) -> bool:
        return len(self.cores) == len(self.node.cores) and len(self.gpus) == len(self.node.gpus)

    def fits(self, shape: Resources) -> bool:
        if shape.takes_whole_nodes and not self.is_whole:
            return False
        return (
            len(self.cores) >= shape.cores
            and len(self.gpus) >= shape.gpus
            and self.memory_gib >= shape.memory_gib
        )

    def could_fit(self, shape: Resources) -> bool:
        """When nothing else runs here."""
        return (
            len(self.node.cores) >= shape.cores
            and len(self.node.gpus) >= shape.gpus
            and self.node.memory_gib >= shape.memory_gib
        )

    def take(self, shape: Resources) -> Share:
        wanted = len(self.cores) if shape.takes_whole_nodes else shape.cores
        gpus = self._gpus_near_cores(len(self.gpus) if shape.takes_whole_nodes else shape.gpus, wanted)
        near = [core for gpu in gpus for core in self.node.near.get(gpu, ())]
        # A stable sort: processors near the GPUs first; else low ids first, which keeps a slot together.
        cores = sorted(self.cores, key=lambda core: core not in near)[:wanted]
        share = Share(self.node.name, tuple(cores), tuple(gpus), shape.memory_gib)
        for core in cores:
            self.cores.remove(core)
        self.gpus = [gpu for gpu in self.gpus if gpu not in gpus]
        self.memory_gib -= shape.memory_gib
        return share

    def _gpus_near_cores(self, number: int, cores: int) -> list[str]:
        """Free GPUs, first those next to which so many cores are free for each; else low ones first."""
        each, free = -(-cores // max(1, number)), set(self.cores)

        def lacking(gpu: str) -> int:
            return max(0, each - len(free.intersection(self.node.near.get(gpu, ()))))

        chosen = set(sorted(self.gpus, key=lacking)[:number])
        return [gpu for gpu in self.gpus if gpu in chosen]

    def give_back(self, share: Share) -> None:
        order = {core: index for index, core in enumerate(self.node.cores)}
        self.cores = sorted([*self.cores, *share.cores], key=order.__getitem__)
        self.gpus = sorted([*self.gpus, *share.gpus], key=self.node.gpus.index)
        self.memory_gib += share.memory_gib


class Packing:
    """The free pieces of an allocation; small and large evaluations share it.

    Small ones go to the fullest node that still has room, so that whole nodes stay free for those that
    need them. One that does not fit may be next: nodes are kept for it until it is placed, so that small
    ones cannot starve it.
    """

    def __init__(self, nodes: Sequence[Node], slots: int | None = None) -> None:
        """`slots`: at most so many evaluations at once; None leaves it to the resources."""
        self._free = [_Free(node, place) for place, node in enumerate(nodes)]
        self._by_name = {free.node.name: free for free in self._free}
        self._slots = slots
        self._slots_left = slots if slots is not None else sum(len(node.cores) for node in nodes)
        self._next: int | None = None  # the evaluation that nodes are kept for
        self._kept: set[str] = set()
        self._suspended: set[str] = set()
        self._limits: dict[str, int] = {}  # how many more may begin on a node

    def place(self, shape: Resources, evaluation_id: int | None = None) -> Slot | None:
        """Occupy a slot; None when there is no room now.

        Args:
            evaluation_id: may use the nodes that are kept for it.
        """
        if self._slots_left < 1:
            return None
        is_next = evaluation_id is not None and evaluation_id == self._next
        nodes = self._not_in(self._closed) if is_next else self._open
        fitting = sorted((free for free in nodes if free.fits(shape)), key=lambda free: len(free.cores))
        if len(fitting) < shape.nodes:
            return None
        if evaluation_id is not None:
            self.stop_keeping(evaluation_id)
        self._slots_left -= 1
        chosen = self._neighbours(fitting, shape.nodes) or fitting[: shape.nodes]
        slot = Slot(tuple(free.take(shape) for free in chosen))
        if self._limits:
            for share in slot.shares:
                if share.node in self._limits:
                    self._limits[share.node] -= 1
        return slot

    def keep_for(self, evaluation_id: int, shape: Resources) -> None:
        """Let nothing else begin on the nodes that come nearest to fit, unless some are kept already.

        None is kept while too few may be used: it is not other evaluations then that stand in its way.
        """
        able = [free for free in self._not_in(self._closed) if free.could_fit(shape)]
        if self._next is not None or len(able) < shape.nodes:
            return
        able.sort(key=lambda free: (len(free.gpus), len(free.cores)), reverse=True)
        near = self._neighbours([free for free in able if free.is_whole], shape.nodes)
        chosen = near or self._neighbours(able, shape.nodes) or able[: shape.nodes]
        self._next, self._kept = evaluation_id, {free.node.name for free in chosen}

    def stop_keeping(self, evaluation_id: int) -> None:
        """If nodes are kept for it, they are open to all again."""
        if self._next == evaluation_id:
            self._next, self._kept = None, set()

    def free(self, slot: Slot) -> None:
        """Give a slot back."""
        self._slots_left += 1
        for share in slot.shares:
            if share.node in self._by_name:
                self._by_name[share.node].give_back(share)

    def lose(self, node: str) -> None:
        """The node is gone; what its slots occupied is gone with it."""
        lost = self._by_name.pop(node, None)
        if lost is not None:
            self._free.remove(lost)
        self._limits.pop(node, None)
        if node in self._kept:
            self._next, self._kept = None, set()  # who waits asks again

    def suspend(self, node: str) -> None:
        """Let nothing begin there for now."""
        self._suspended.add(node)

    def resume(self, node: str) -> None:
        """Use it again."""
        self._suspended.discard(node)

    def limit(self, node: str, most: int | None) -> None:
        """Let at most so many more evaluations begin there, 0 for none; None ends the limit."""
        if most is None:
            self._limits.pop(node, None)
        else:
            self._limits[node] = most

    @property
    def nodes(self) -> list[str]:
        """Names of those that are left."""
        return [*self._by_name]

    def count(self, shape: Resources) -> int:
        """How many more evaluations of this shape fit now."""
        per_node = [self._count_on(free, shape) for free in self._open if free.fits(shape)]
        fitting = sum(per_node) if shape.nodes == 1 else len(per_node) // shape.nodes
        return min(fitting, self._slots_left)

    def room(self) -> Resources | None:
        """The largest cores, GPUs, memory and nodes that any shape may ask for now; None when full."""
        with_cores = [free for free in self._open if free.cores]
        if self._slots_left < 1 or not with_cores:
            return None
        memory = max(free.memory_gib for free in with_cores)
        whole = sum(free.is_whole for free in with_cores)
        return Resources(
            cores=max(len(free.cores) for free in with_cores),
            gpus=max(len(free.gpus) for free in with_cores),
            memory_gib=0.0 if memory == UNLIMITED_GIB else memory,
            nodes=max(1, whole),
            whole_node=whole > 0,
        )

    def most(self, shape: Resources) -> int:
        """How many evaluations of this shape fit when nothing else runs."""
        empty = Packing([free.node for free in self._free], self._slots)
        return empty.count(shape)

    def capacity(self) -> Resources | None:
        """The largest that any shape may ask for when nothing else runs; None without nodes."""
        if not self._free:
            return None
        memory = max(free.node.memory_gib for free in self._free)
        return Resources(
            cores=max(len(free.node.cores) for free in self._free),
            gpus=max(len(free.node.gpus) for free in self._free),
            memory_gib=0.0 if memory == UNLIMITED_GIB else memory,
            nodes=len(self._free),
            whole_node=True,
        )

    @property
    def has_gpus(self) -> bool:
        """Whether any node has GPUs, so that the visibility variable says something."""
        return any(free.node.gpus for free in self._free)

    def never_fits(self, shape: Resources) -> bool:
        """Whether the shape exceeds the allocation even when it is empty."""
        return sum(free.could_fit(shape) for free in self._free) < shape.nodes

    def has_neighbours(self, shape: Resources) -> bool:
        """Whether the shape fits on nodes that follow each other in the allocation when it is empty."""
        able = [free for free in self._free if free.could_fit(shape)]
        return bool(self._neighbours(able, shape.nodes))

    def _neighbours(self, nodes: Collection[_Free], number: int) -> list[_Free]:
        """So many of the nodes that follow each other in the allocation, of the shortest such run; or []."""
        if number == 1:
            return list(nodes)[:1]
        runs: list[list[_Free]] = [[]]
        for free in sorted(nodes, key=lambda free: free.place):
            if runs[-1] and free.place != runs[-1][-1].place + 1:
                runs.append([])
            runs[-1].append(free)
        return min((run for run in runs if len(run) >= number), key=len, default=[])[:number]

    @property
    def _open(self) -> list[_Free]:
        """Nodes on which any evaluation may begin."""
        return self._not_in(self._kept | self._closed)

    @property
    def _closed(self) -> set[str]:
        """Nodes on which nothing may begin now."""
        if not self._limits:
            return self._suspended
        return self._suspended.union(node for node, most in self._limits.items() if most < 1)

    def _not_in(self, closed: Collection[str]) -> list[_Free]:
        return [free for free in self._free if free.node.name not in closed] if closed else self._free

    def _count_on(self, free: _Free, shape: Resources) -> int:
        if shape.takes_whole_nodes:
            return 1
        by = [len(free.cores) // shape.cores]
        if free.node.name in self._limits:
            by.append(self._limits[free.node.name])
        if shape.gpus:
            by.append(len(free.gpus) // shape.gpus)
        if shape.memory_gib and free.memory_gib != UNLIMITED_GIB:
            by.append(int(free.memory_gib // shape.memory_gib))
        return min(by)
