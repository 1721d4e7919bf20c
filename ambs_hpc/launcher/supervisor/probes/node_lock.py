"""The lock by which launchers of different batch allocations do not use the same cores of a node.

A scheduler may give a node away on which a launcher still runs, or share it between two allocations of which
each takes all of it. Every launcher has a file on the node, in a folder that is not on a disk, and each of
its supervisors there holds a shared lock on it. The kernel drops the lock with the last of them, however they
end, and PID namespaces do not matter to it. Files of the same user alone are looked at.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field

VARIABLE = "AMBS_NODE_LOCK"  # in the environment of a supervisor that has to lock its node: a claim as JSON
PLACES = ("/dev/shm", "/tmp")  # the first that can be written; others are looked for in all of them
PLACE_VARIABLE = "AMBS_NODE_LOCKS"  # a folder in their place, where allocations do not see the same ones
REGISTER_SECONDS = 5.0  # for others to look and register; who was stopped meanwhile is not waited for
_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class NodeClaim:
    """What a launcher wants for itself.

    Args:
        node: as its scheduler names it.
        cores: numbers of the processors that it counts; () for all that this process may use.
        launcher: its identity, the same for all its supervisors.
        who: the launcher in words, for others.
        is_a_number: only so many cores were granted, and their names are a guess.
        uid: the user's where the launcher runs; in a container he may have another one.
    """

    node: str
    cores: Sequence[int]
    launcher: str
    who: str
    is_a_number: bool = False
    uid: int = field(default_factory=os.getuid)

    def text(self) -> str:
        """The claim as JSON."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class NodeInUse:
    """Somebody else has the node; `who` in words."""

    who: str


class NodeLock:
    """A held lock, until `release` or the end of this process."""

    def __init__(self, folder: str = "", file: str = "", descriptor: int = -1) -> None:
        """Without a file nothing is locked: there is nowhere to write."""
        self._folder, self._file, self._descriptor = folder, file, descriptor

    def release(self) -> None:
        """Give the node free; the last of the launcher's locks removes its file."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError), _registering(self._folder):
            if _locked(self._descriptor, fcntl.LOCK_EX):
                os.unlink(self._file)  # noqa: PTH108  no Path where a supervisor starts
        os.close(self._descriptor)
        self._descriptor = -1


def claim_of(environ: MutableMapping[str, str]) -> NodeClaim | None:
    """The claim of this supervisor, taken out of its environment; None without one."""
    text = environ.pop(VARIABLE, "")
    return NodeClaim(**json.loads(text)) if text else None


def is_guess(claim: NodeClaim) -> bool:
    """Whether nobody knows which cores are claimed: their number was granted, and we may run on more."""
    claimed = {physical_core(core) for core in claim.cores}
    return claim.is_a_number and len({physical_core(core) for core in os.sched_getaffinity(0)}) > len(claimed)


def lock_node(claim: NodeClaim, places: Sequence[str] = ()) -> NodeLock | NodeInUse:
    """Hold the claimed cores of this node, together with other supervisors of the same launcher.

    Nothing is held of a number of cores on a node that the scheduler shares without confining us: all its
    allocations guess the same names.

    Args:
        places: folders of this node alone, which all its launchers see; () for the one that the environment
            names, else PLACES.
    """
    cores = sorted({physical_core(core) for core in _usable(claim.cores)})
    if is_guess(claim):
        return NodeLock()
    given = os.environ.get(PLACE_VARIABLE)
    with contextlib.ExitStack() as stack:
        folders: list[str] = []
        for place in places or ((given,) if given else PLACES):
            with contextlib.suppress(OSError):
                folder = _own_folder(place, claim.uid)
                stack.enter_context(_registering(folder))
                folders.append(folder)
        return _registered(folders, claim, cores)


def _registered(folders: Sequence[str], claim: NodeClaim, cores: Sequence[int]) -> NodeLock | NodeInUse:
    """Our lock in the first folder that takes it, unless others hold some of the cores by any of them.

    Who came while one of the places was full is registered in the next.
    """
    own = re.sub(r"[^\w.:-]", "_", f"{claim.node}:{claim.launcher}") + _SUFFIX
    for folder in folders:
        for name in _names(folder):
            other = os.path.join(folder, name)  # noqa: PTH118
            if name.endswith(_SUFFIX) and name != own and (who := _holder(other, claim.node, cores)):
                return NodeInUse(who)
    for folder in folders:
        with contextlib.suppress(OSError):
            return _register(folder, own, claim, cores)
    return NodeLock()  # a node without room for a few bytes has other troubles


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _register(folder: str, name: str, claim: NodeClaim, cores: Sequence[int]) -> NodeLock:
    file = os.path.join(folder, name)  # noqa: PTH118
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _locked(descriptor, fcntl.LOCK_SH)
        # Another supervisor of ours may be confined to other cores, and has told of them by the same file.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            cores = sorted({*cores, *json.loads(os.pread(descriptor, 1 << 16, 0))["cores"]})
        text = json.dumps({"node": claim.node, "cores": cores, "who": claim.who}).encode()
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))
    except OSError:
        os.close(descriptor)
        raise
    return NodeLock(folder, file, descriptor)


def _holder(file: str, node: str, cores: Sequence[int]) -> str:
    """Who holds some of the cores by this file; "" for nobody. What a dead launcher left is removed."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if _locked(descriptor, fcntl.LOCK_EX):
            os.unlink(file)  # noqa: PTH108
            return ""
        told = json.loads(os.pread(descriptor, 1 << 16, 0))
        is_same = told["node"] == node and not set(told["cores"]).isdisjoint(cores)
        return str(told["who"]) if is_same else ""
    except (OSError, ValueError, KeyError, TypeError):  # no file of ours
        return ""
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _registering(folder: str) -> Iterator[None]:
    """Alone look at the files of a folder and change them, as far as nobody keeps others from it for long."""
    descriptor = os.open(os.path.join(folder, "register"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # noqa: PTH118
    try:
        deadline = time.monotonic() + REGISTER_SECONDS
        while not _locked(descriptor, fcntl.LOCK_EX) and time.monotonic() < deadline:
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _own_folder(place: str, uid: int) -> str:
    """This user's folder in a place where everybody may write.

    Args:
        uid: by which all the user's supervisors name it, in containers too.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    folder = os.path.join(place, f"ambs-nodes-{uid}")  # noqa: PTH118
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)  # noqa: PTH102
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not ours")
    return folder


def _usable(cores: Sequence[int]) -> Sequence[int]:
    """Those of the cores on which this process may run; all on which it may, if that is none of them."""
    allowed = os.sched_getaffinity(0)
    return [core for core in cores if core in allowed] or sorted(allowed)


def physical_core(processor: int) -> int:
    """The lowest number among the hardware threads of the processor's core; its own where nobody says."""
    file = f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
    try:
        with open(file) as content:  # noqa: PTH123
            return int(re.split(r"[,-]", content.read().strip())[0])
    except (OSError, ValueError):
        return processor
