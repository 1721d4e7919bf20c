"""A real Slurm of several pretended nodes on this machine, for as long as the tests run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ambs_hpc.launcher.supervisor import process_tree

HERE = Path(__file__).parent
NODES = 4
CPUS = 2
JOB_AGE_SECONDS = 5  # how long Slurm remembers what has ended
NODE_TIMEOUT_SECONDS = 10  # it takes twice as long to call a silent node down


@dataclass(frozen=True)
class Cluster:
    """Pretended nodes n1, n2, ... under a folder."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """In which Slurm's commands speak to it."""
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        own = {"SLURM_CONF": str(self.folder / "etc" / "slurm.conf"), "PATH": path}
        # Nodes of the same name in other clusters of this machine are others.
        return {**own, "AMBS_NODE_LOCKS": str(self.folder)}

    @property
    def on_login(self) -> list[str]:
        """Put before a command to run it on the login node of a cluster with a network."""
        return [str(self.folder / "login")]

    @property
    def login_address(self) -> str:
        """Of the login node, in the cluster's network."""
        hosts = (self.folder / "etc" / "hosts").read_text().splitlines()
        return next(line.split()[0] for line in hosts if line.endswith(" login"))

    def pids_on(self, node: str) -> list[int]:
        """Processes on a node of a cluster with a network, its slurmd among them."""
        tag = (self.folder / "netns-tag").read_text().strip()
        command = ["ip", "netns", "pids", f"{tag}-{node}"]
        return [int(pid) for pid in subprocess.run(command, check=True, capture_output=True).stdout.split()]

    def kill_node(self, node: str) -> None:
        """As a power cut does: every process there, and those that they start meanwhile."""
        while pids := [pid for pid in self.pids_on(node) if process_tree.state_of(pid) not in "ZX"]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def fill(self, node: str, folder: Path) -> None:
        """Give a node a folder of its own there, of one MiB and without room."""
        on_node = ["nsenter", f"--target={min(self.pids_on(node))}", "--mount"]
        subprocess.run(
            [*on_node, "mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", folder], check=True
        )
        subprocess.run(
            [*on_node, "dd", "if=/dev/zero", f"of={folder}/fill"], capture_output=True, check=False
        )

    def ended_allocations(self) -> list[str]:
        """How Slurm says that each ended, in this order."""
        return (self.folder / "log" / "jobcomp.log").read_text().splitlines()

    def controller_pid(self) -> int:
        """Of slurmctld."""
        return int((self.folder / "run" / "slurmctld.pid").read_text())


_running: list[Cluster] = []


def start_cluster(*options: str) -> Cluster:
    """A cluster of its own; `options` are those of up.sh."""
    folder = Path(tempfile.mkdtemp(prefix="ambs-slurm-"))
    folder.chmod(0o755)
    cluster = Cluster(folder)
    _running.append(cluster)
    common = ["--job-age", str(JOB_AGE_SECONDS), "--no-install"]
    done = subprocess.run(
        [HERE / "up.sh", folder, *options, *common], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"Slurm did not start (Debian: slurm-wlm, munge): {done.stdout}{done.stderr}"
    return cluster


def _port(first: int) -> str:
    """A port for the controller and the nodes after it; processes that share the tests have their own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return str(first + 100 * int(worker.removeprefix("gw")))


@cache
def slurm_cluster() -> Cluster:
    """This session's cluster, started at the first use: host names of their own, and one network."""
    options = ["--nodes", str(NODES), "--cpus", str(CPUS), "--gpus", "0", "--isolate", "uts"]
    return start_cluster(*options, "--port", _port(16817))


@cache
def networked_cluster() -> Cluster:
    """This session's cluster of 8 nodes with 4 cores and 4 GPUs, each with a network address of its own."""
    options = ["--nodes", "8", "--cpus", "4", "--gpus", "4", "--isolate", "netns", "--port", _port(17817)]
    return start_cluster(*options, "--node-timeout", str(NODE_TIMEOUT_SECONDS))


@cache
def reserving_cluster() -> Cluster:
    """This session's cluster of 3 nodes with 6 cores of two threads each, 2 of them kept for the system."""
    options = ["--nodes", "3", "--cpus", "6", "--threads", "2", "--reserved", "2", "--gpus", "0"]
    return start_cluster(*options, "--isolate", "uts", "--port", _port(18817))


def stop_cluster() -> None:
    """End what was started."""
    while _running:
        folder = _running.pop().folder
        subprocess.run([HERE / "down.sh", folder, "--purge"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    slurm_cluster.cache_clear()
    networked_cluster.cache_clear()
    reserving_cluster.cache_clear()


def is_installed() -> bool:
    """Whether Debian's packages are there."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return all(shutil.which(program, path=path) for program in ("slurmctld", "slurmd", "munged", "sbatch"))
