"""Whether a file lies on a network file system, where SQLite's locks cannot be trusted."""

from __future__ import annotations

from pathlib import Path

NETWORK_TYPES = frozenset(
    [
        *(
            "9p",
            "afs",
            "autofs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "daos",
            "dvs",
            "fhgfs",
            "gfs2",
            "glusterfs",
        ),
        *("gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs"),
        *("vastfs", "wekafs", "fuse.beegfs", "fuse.ceph", "fuse.daos", "fuse.glusterfs", "fuse.juicefs"),
        *("fuse.lustre", "fuse.s3fs", "fuse.sshfs"),
    ]
)
MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path, mounts: str | None = None) -> str | None:
    """The type of the network file system that holds `path`, or None when it is a local one.

    Args:
        path: need not exist; its nearest existing parent decides.
        mounts: text of mountinfo, see proc(5); read from the kernel when None.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(errors="replace")
        except OSError:  # not Linux: nothing to read the answer from
            return None
    here = path.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mount_point = Path(_unescaped(fields[4]))
        # Later lines hide earlier ones on the same mount point.
        if here.is_relative_to(mount_point) and len(mount_point.parts) >= best:
            best, kind = len(mount_point.parts), after.split()[0]
    return kind if kind in NETWORK_TYPES else None


def _unescaped(text: str) -> str:
    """proc(5) writes blank, tab, newline and backslash in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
