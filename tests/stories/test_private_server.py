"""`ambs db start` by a person without root, reached from another node: its own network, its own crash."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.databases import let_others_enter

SERVER, CLIENT = "10.99.71.1", "10.99.71.2"
PR_SET_CHILD_SUBREAPER = 36
CONNECT = """
import sys, psycopg2
connection = psycopg2.connect(sys.argv[1], connect_timeout=5)
cursor = connection.cursor()
cursor.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
print(cursor.fetchone()[0])
"""


@dataclass(frozen=True)
class TwoNodes:
    """Two network namespaces with a cable between them, and a folder that both see."""

    folder: Path

    def run(self, node: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on a node; the server belongs to a user who is not root."""
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        user = as_nobody if node == "server" else []
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "LC_ALL": "C"}
        done = subprocess.run(
            ["ip", "netns", "exec", f"ambs-test-{node}", *user, *command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def ambs(self, node: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(node, sys.executable, "-m", "ambs_hpc.cli.main", *arguments, check=check)

    def connect(self, node: str, url: str) -> subprocess.CompletedProcess[str]:
        return self.run(node, sys.executable, "-c", CONNECT, url, check=False)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def reaped_here() -> Iterator[None]:
    """Daemons become our children: process 1 of a container may reap nobody, and a zombie looks alive."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[TwoNodes]:
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root can make network namespaces")
    folder = tmp_path / "campaign"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    let_others_enter(tmp_path)
    try:
        for node in ("server", "client"):
            ip("netns", "add", f"ambs-test-{node}")
        ip("link", "add", "ambs-t0", "netns", "ambs-test-server", "type", "veth", "peer", "name", "ambs-t1",
           "netns", "ambs-test-client")  # fmt: skip
        for node, address, cable in (("server", SERVER, "ambs-t0"), ("client", CLIENT, "ambs-t1")):
            inside = ("-n", f"ambs-test-{node}")
            ip(*inside, "addr", "add", f"{address}/24", "dev", cable)
            ip(*inside, "link", "set", cable, "up")
            ip(*inside, "link", "set", "lo", "up")
        two = TwoNodes(folder)
        yield two
        two.ambs("server", "db", "stop", check=False)
    finally:
        for node in ("server", "client"):
            subprocess.run(["ip", "netns", "del", f"ambs-test-{node}"], check=False, capture_output=True)


def password_and_url(nodes: TwoNodes) -> tuple[str, str]:
    """As the folder's owner finds them."""
    from sqlalchemy import make_url

    from ambs_hpc.queue import database_url

    url = make_url(database_url(None, {}, nodes.folder))
    files = [file for file in nodes.folder.rglob("*") if file.is_file() and file.stat().st_mode & 0o077 == 0]
    secret = next(line for file in files if "pass" in file.name for line in file.read_text().splitlines())
    return secret.rpartition(":")[2], url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.mark.timeout(120)
def test_private_server_serves_another_node(nodes: TwoNodes) -> None:
    """TLS and scram only; a crash loses nothing; the password is seen by nobody."""
    nodes.ambs("server", "db", "start", "--listen", SERVER, "--host", SERVER)
    (nodes.folder / "problem.py").write_text(
        "from ambs_hpc import Problem\n"
        "problem = Problem(name='p', space={'x': (0.0, 1.0)}, objective='model:f')\n"
    )
    (nodes.folder / "model.py").write_text("def f(configuration):\n    return configuration['x']\n")
    told = nodes.ambs("client", "run", "problem.py", "--max-evaluations", "4", "--slots", "1")
    password, url = password_and_url(nodes)
    assert len(password) >= 16
    assert nodes.connect("client", url).stdout == "True\n", "not over TLS"
    plain = nodes.connect("client", with_query(url, sslmode="disable"))
    assert plain.returncode != 0
    assert "no encryption" in plain.stderr or "no pg_hba.conf entry" in plain.stderr
    wrong = nodes.connect(
        "client", url.replace(password, "wrong") if password in url else f"{url}&password=wrong"
    )
    assert wrong.returncode != 0
    assert "password authentication failed" in wrong.stderr

    postmaster = int(next(nodes.folder.rglob("postmaster.pid")).read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    os.waitpid(postmaster, 0)
    nodes.ambs("server", "db", "start", "--listen", SERVER, "--host", SERVER)
    rows = nodes.ambs(
        "client", "sql", "select count(*) as n from v_evaluations where state = 'DONE'", "--json"
    )
    assert json.loads(rows.stdout) == [{"n": 4}]

    assert password not in told.stdout + told.stderr + plain.stderr + wrong.stderr
    for log in [*nodes.folder.rglob("*.log"), *nodes.folder.rglob("*.json")]:
        assert password not in log.read_text(errors="replace"), log
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert password not in process.read_bytes().decode(errors="replace")
        except OSError:
            continue


def with_query(url: str, **query: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).update_query_dict(query).render_as_string(hide_password=False)
