"""Which nodes have been looked at, and what follows from what was found there."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping

from ambs_hpc.launcher.executors.node_health import FolderProbe
from ambs_hpc.launcher.executors.node_log import CLOCK_FACT, NodeLog
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor.client import SupervisorClient
from ambs_hpc.launcher.supervisor.messages import Alive, NodeProbed, ProbeOrder, StartRequest
from ambs_hpc.launcher.supervisor.probes.node_probe import gpus
from ambs_hpc.states import NodeEventKind


class NodeProbes:
    """The probes of one launcher.

    What is found binds only where another node may be better: a single node is used, whatever is wrong there,
    and so are all nodes once they all have trouble.
    """

    def __init__(self, packing: Packing, nodes: Iterable[Node], pauses: NodePauses, log: NodeLog) -> None:
        """
        Args:
            packing: of the nodes; those that are lost are no longer in it.
            pauses: of nodes with trouble.
        """
        self._expected = {node.name: expected_gpus(node.gpus) for node in nodes}
        self._packing, self._pauses, self._log = packing, pauses, log
        self._here = ""  # this machine's name among the nodes, once something was started here
        self._well: set[str] = set()  # or used all the same
        self._troubled: set[str] = set()
        self._imported: set[tuple[str, str]] = set()
        self._gpus_here: int | None = None

    def ask(self, supervisor: SupervisorClient, request: StartRequest) -> None:
        """Have a supervisor look at its node, if nobody has, before it starts what is requested next."""
        if request.has_ranks or supervisor.was_told_to_probe:
            return
        node = request.node
        if not supervisor.key.node:
            self._here = self._here or node
        if node not in self._well:
            folder = run_directory_of(request.folder)
            number = 0 if request.within else self.expected(node)  # a container need not show them
            supervisor.probe(ProbeOrder(node, folder, number, self.are_binding))

    def hear(self, supervisor: SupervisorClient, said: NodeProbed | Alive) -> None:
        """Take what a supervisor says of its node."""
        if isinstance(said, NodeProbed):
            if self.note(said):
                supervisor.is_unfit = True
                self._pauses.note_unfit(said.node, said.trouble)
            if self.are_all_troubled:
                self._pauses.use_unfit()
        elif said.import_seconds is not None and supervisor.key.function is not None:
            node = supervisor.key.node or self._here
            self.note_import(node, supervisor.key.function, said.import_seconds)

    def expected(self, node: str) -> int:
        """How many GPUs a node should have; 0 does not look for any.

        Where this machine is one of the nodes and has fewer than the site's description says, it is the
        description that is doubted: else no node would do.
        """
        described = self._expected.get(node, 0)
        if not (described and self._log.here):
            return described
        if self._gpus_here is None:
            self._gpus_here = gpus()
            if self._gpus_here < described:
                words = f"{self._gpus_here} GPUs are there instead of {described}, taken as what all have"
                self._log.note(self._log.here, NodeEventKind.PROBE_FAILED, words)
        return min(described, self._gpus_here)

    @property
    def are_binding(self) -> bool:
        """Whether nothing is to be begun on a node that has trouble."""
        return len(self._packing.nodes) > 1 and not self.are_all_troubled

    @property
    def are_all_troubled(self) -> bool:
        """Whether no node in use may be better, so that none of them is to blame."""
        return self._troubled.issuperset(self._packing.nodes)

    def note(self, found: NodeProbed) -> bool:
        """Take what was found; whether nothing is begun there."""
        node, facts = found.node, {**found.facts, CLOCK_FACT: found.at - time.time()}
        if not (found.trouble and found.is_binding):
            self._well.add(node)
        if not found.trouble:
            self._troubled.discard(node)
            self._log.note(node, NodeEventKind.PROBED, summary(found.facts), facts)
            return False
        self._troubled.add(node)
        self._log.note_failure(
            node, NodeEventKind.PROBE_FAILED, found.trouble, facts, is_of_node_alone(facts)
        )
        return found.is_binding

    def note_import(self, node: str, function: str, seconds: float) -> None:
        """A fork server there has imported an objective, which is told once."""
        if node and (node, function) not in self._imported:
            self._imported.add((node, function))
            facts = {"function": function, "import_seconds": round(seconds, 3)}
            self._log.note(node, NodeEventKind.IMPORTED, f"{function} in {seconds:.1f} s", facts)


def is_of_node_alone(facts: Mapping[str, object]) -> Callable[[], bool] | None:
    """How to find out whether a node alone has the trouble that a look at it found; None where others tell.

    The runs folder is seen by all nodes: whether it can be written is tried from here.
    """
    if "runs_error" in facts and "runs" in facts and "scratch_error" not in facts:
        return FolderProbe(str(facts["runs"])).was_writable
    return None


def expected_gpus(names: Collection[str]) -> int:
    """How many GPUs these names stand for: 0, 1, ... or tiles, as 0.0, 0.1; 0 where names do not say."""
    cards = {name.partition(".")[0] for name in names}
    return len(cards) if all(card.isdecimal() for card in cards) else 0


def summary(facts: Mapping[str, object]) -> str:
    """What was measured on a node, in words."""
    return ", ".join(f"{facts[name]} {what}" for name, what in _TOLD.items() if name in facts)


_TOLD = {
    "scratch_free_gib": "GiB free in scratch",
    "runs_free_gib": "GiB free in the runs folder",
    "gpus": "GPUs",
}
