"""The state of a repository is found within limits, and nothing that it names is run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ambs_hpc.provenance.git_state import git_state

SECONDS = 20.0


def git(folder: Path, *words: str) -> str:
    options = ["-c", "user.email=a@example.org", "-c", "user.name=a", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *options, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "sources" / "problem"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text("a = 1\n")
    (folder.parent / "other.py").write_text("b = 1\n")
    git(folder.parent, "init", "-q")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-qm", "one")
    return folder


def test_commit_and_changes_of_the_folder_are_told(repository: Path) -> None:
    """With the commit and the same digest two people know that they ran the same."""
    commit = git(repository, "rev-parse", "HEAD")
    assert git_state(repository, SECONDS, os.environ) == {"commit": commit, "diff": ""}
    (repository.parent / "other.py").write_text("b = 2\n")
    assert git_state(repository, SECONDS, os.environ)["diff"] == ""
    (repository / "model.py").write_text("a = 2\n")
    changed = git_state(repository, SECONDS, os.environ)["diff"]
    (repository / "model.py").write_text("a = 3\n")
    other = git_state(repository, SECONDS, os.environ)["diff"]
    assert len({"", changed, other}) == 3
    (repository / "model.py").write_text("a = 2\n")
    assert git_state(repository, SECONDS, os.environ)["diff"] == changed


def test_no_repository_and_no_git_are_said(tmp_path: Path) -> None:
    """Most machines have one of them missing somewhere: that is a fact like others, and no error."""
    outside = {**os.environ, "GIT_DIR": "/elsewhere"}  # of a hook that starts us: it is not passed on
    assert git_state(tmp_path, SECONDS, outside) == {"unknown": "no git repository"}
    assert git_state(tmp_path, SECONDS, {"PATH": str(tmp_path)}) == {"unknown": "git is not installed"}
    assert "unknown" in git_state(tmp_path / "gone", SECONDS, os.environ)


def test_a_git_that_hangs_is_ended(tmp_path: Path) -> None:
    """A huge repository on a slow file system must not keep a launcher, nor leave a process behind."""
    fake = tmp_path / "git"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    fake.chmod(0o755)
    began = time.monotonic()
    state = git_state(tmp_path, 0.5, {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert state == {"unknown": "git did not answer in time"}
    assert time.monotonic() - began < 5.0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_no_program_of_the_repository_is_run(repository: Path, tmp_path: Path) -> None:
    """Whoever can write a shared repository's settings must not run programs as those who look at it."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "diff.d.command", "diff.d.textconv"):
        git(repository, "config", key, str(trap))
    (repository / ".gitattributes").write_text("*.py diff=d\n")
    (repository / "model.py").write_text("a = 2\n")
    assert git_state(repository, SECONDS, os.environ)["diff"]
    assert not (tmp_path / "sprung").exists()


def test_no_filter_of_the_repository_is_run(repository: Path, tmp_path: Path) -> None:
    """A repository from others names programs in its settings that `git diff` would run on changed files."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    (tmp_path / "included").write_text(f'[filter "a=b"]\n\tclean = {trap}\n')
    git(repository, "config", "include.path", str(tmp_path / "included"))
    (repository / ".gitattributes").write_text("*.py filter=a=b\n")
    (repository / "model.py").write_text("a = 2\n")
    state = git_state(repository, SECONDS, os.environ)
    assert state["commit"] == git(repository, "rev-parse", "HEAD")
    assert state["unknown"] == "whether it was changed since: the repository's settings name filters"
    assert not (tmp_path / "sprung").exists()


def test_nothing_that_is_missing_is_fetched(repository: Path, tmp_path: Path) -> None:
    """A partial clone asks its remote for what differs, by programs that its settings name."""
    trap = tmp_path / "trap"
    trap.write_text(f'#!/bin/sh\ntouch {tmp_path}/sprung\nexec git-upload-pack "$@"\n')
    trap.chmod(0o755)
    source, clone = repository.parent, tmp_path / "clone"
    git(source, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{source}", str(clone))
    git(clone, "config", "remote.origin.uploadpack", str(trap))
    git(clone, "read-tree", "HEAD")
    (clone / "problem").mkdir()
    (clone / "problem" / "model.py").write_text("a = 2\n")
    state = git_state(clone / "problem", SECONDS, os.environ)
    assert str(state["unknown"]).startswith("whether it was changed since: git: fatal")
    assert "://" not in str(state["unknown"])
    assert not (tmp_path / "sprung").exists()
