"""A real Balsam on this machine: server, site, agent, and launchers that its agent starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import requests
import yaml

from tests.databases import administer, named, wait_until

HERE = Path(__file__).parent
LOGIN = {"username": "tests", "password": "tests-pass"}
NODE = """
from balsam.platform.app_run import LocalAppRun
from balsam.platform.compute_node import DefaultNode

class PretendedNode(DefaultNode):
    cpu_ids = list(range({cores}))
    gpu_ids = list(range({gpus}))

class Unbound(LocalAppRun):
    def _pre_popen(self):
        pass  # this machine may have fewer cores
    def _post_popen(self):
        pass
"""


@dataclass
class RealBalsam:
    """A site of one pretended node; `site` is its name."""

    folder: Path
    url: str
    server_environment: Path
    database: str
    site: str = "here"
    server: subprocess.Popen[bytes] | None = None
    agent: subprocess.Popen[bytes] | None = None

    @property
    def login(self) -> dict[str, str]:
        """Variables by which Balsam's client finds its login, and our pretended node."""
        return {
            "BALSAM_CLIENT_PATH": str(self.folder / "client.yml"),
            "PYTHONPATH": f"{self.path}:{os.environ.get('PYTHONPATH', '')}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # of MPICH's mpiexec
        }

    @property
    def path(self) -> Path:
        return self.folder / "site"

    # -- the server ---------------------------------------------------------------------------------

    def start_server(self) -> None:
        port = self.url.rpartition(":")[2]
        environment = {
            **os.environ,
            "balsam_database_url": self.database,
            "balsam_redis_params": '{"unix_socket_path": "/nonexistent"}',
        }
        command = ["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", f"127.0.0.1:{port}"]
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [self.server_environment / "bin" / command[0], *command[1:], "balsam.server.main:app"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, 60)

    def stop_server(self) -> None:
        _end(self.server)
        self.server = None

    def _answers(self) -> bool:
        assert self.server is not None
        assert self.server.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        with contextlib.suppress(requests.RequestException):
            return bool(requests.get(f"{self.url}/auth/how", timeout=2).ok)
        return False

    # -- the site -----------------------------------------------------------------------------------

    def make_site(self, cores: int, gpus: int, launcher: Mapping[str, Any]) -> None:
        """Log in, make the site; `launcher` are settings of its launcher beside the usual."""
        from balsam.client import BasicAuthRequestsClient
        from balsam.config import ClientSettings, site_builder

        requests.post(f"{self.url}/auth/password/register", json=LOGIN, timeout=10).raise_for_status()
        client = BasicAuthRequestsClient(self.url, **LOGIN)
        client.refresh_auth()
        os.environ["BALSAM_CLIENT_PATH"] = str(self.folder / "client.yml")
        ClientSettings(
            api_root=self.url,
            client_class=BasicAuthRequestsClient,
            token=client.token,
            token_expiry=client.token_expiry,
        ).save_to_file()
        defaults = site_builder.load_default_configs()
        place, settings = next((place, one) for place, one in defaults.items() if "Local" in one.title)
        site_builder.new_site_setup(
            site_path=self.path,
            name=self.site,
            default_site_path=place,
            default_site_conf=settings,
            client=client,
        )
        (self.path / "pretended.py").write_text(NODE.format(cores=cores, gpus=gpus))
        file = self.path / "settings.yml"
        told = yaml.safe_load(file.read_text())
        told["transfers"] = None
        told["scheduler"]["sync_period"] = 1
        told["launcher"].update(
            compute_node="pretended.PretendedNode",
            mpi_app_launcher="balsam.platform.app_run.MPICHRun",
            local_app_launcher="pretended.Unbound",
            **launcher,
        )
        file.write_text(yaml.safe_dump(told))

    def start_agent(self) -> None:
        (self.path / "balsam-service.pid").unlink(missing_ok=True)
        environment = {**os.environ, **self.login, "BALSAM_SITE_PATH": str(self.path)}
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(
                [sys.executable, "-m", "balsam.site.service.main"],
                cwd=self.path,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop_agent(self) -> None:
        _end(self.agent)
        self.agent = None

    # -- what runs ----------------------------------------------------------------------------------

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of the server's own database."""
        connection = psycopg2.connect(self.database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def unfinished_jobs(self, campaigns: Path) -> list[tuple[Any, ...]]:
        """(id, state) of those that could still run, of campaigns in this folder.

        Others' may stay unfinished: at the end of their test a launcher of Balsam's was killed that had just
        said that they run.
        """
        return self.query(
            "select id, state from jobs where state not in ('JOB_FINISHED', 'FAILED') "
            f"and starts_with(data ->> 'folder', '{campaigns}/') order by id"
        )

    def launcher_pids(self) -> list[int]:
        """Of the processes that the agent's batch scripts started, and of all below them."""
        import psutil

        mark, found = f"{self.path}/qsubmit/qlaunch", []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if mark in " ".join(process.cmdline()):
                    found += [process.pid, *(one.pid for one in process.children(recursive=True))]
        return sorted(set(found))

    def kill_launchers(self) -> None:
        """As a node that loses its power: Balsam's launcher and everything below it."""
        while pids := self.launcher_pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def end_batches(self) -> None:
        """No batch job is left."""
        self.kill_launchers()
        if self.agent is not None and self.server is not None:
            unended = "select id from batch_jobs where state in ('queued', 'running', 'pending_submission')"
            wait_until(lambda: not self.query(unended), 30)


@contextlib.contextmanager
def real_balsam(cores: int = 4, gpus: int = 0, **launcher: Any) -> Iterator[RealBalsam]:
    """All of it, for as long as the body takes."""
    made = subprocess.run(
        [HERE / "make_server.sh", getattr(sys, "_base_executable", sys.executable)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    environment = Path(made.stdout.strip())
    folder = Path(tempfile.mkdtemp(prefix="ambs-balsam-"))
    name = f"balsam_{os.getpid()}_{folder.name[-6:]}".lower()
    administer(f"CREATE DATABASE {name}")
    found = RealBalsam(folder, f"http://127.0.0.1:{_free_port()}", environment, named(name))
    try:
        subprocess.run(
            [environment / "bin" / "python", HERE / "create_schema.py"],
            check=True,
            env={**os.environ, "balsam_database_url": found.database},
            capture_output=True,
        )
        found.start_server()
        found.make_site(cores, gpus, launcher)
        found.start_agent()
        yield found
    finally:
        found.kill_launchers()
        found.stop_agent()
        found.stop_server()
        administer(f"DROP DATABASE {name} WITH (FORCE)")
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """With everything that it started."""
    if process is None:
        return
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
