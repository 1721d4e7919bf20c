"""Balsam's service, through its own client: jobs, batch jobs, sites. The only file that imports Balsam.

Its client repeats every request that fails, also those that were refused, for half an hour; here nothing is
repeated, and what went wrong is BalsamUnreachable or BalsamRefused. Paths and fields are those of Balsam 0.7.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ambs_hpc.errors import BalsamRefused, BalsamUnreachable, NotFound, UsageError, nearest
from ambs_hpc.schedulers.balsam.values import (
    UNFINISHED,
    BalsamSite,
    Batch,
    BatchRequest,
    Job,
    JobEnding,
    NewJob,
    seconds_of,
)

READ_SECONDS, CONNECT_SECONDS = 20.0, 6.0
NO_RETRIES = -1  # as the client counts its repetitions
IDS_AT_ONCE = 200  # in one URL
ROWS_AT_ONCE = 100_000  # in an answer, at most
MISSING = "Balsam's client is not installed here. Run: pip install 'ambs-hpc[balsam]'"
LOGIN = "Run `balsam login` where you run this."
APP = "AmbsEvaluation"
# A text, because Balsam stores the pickled class: a class of `__main__` can be loaded without our package.
APP_SOURCE = f'''
class {APP}(ApplicationDefinition):
    """An evaluation of ambs_hpc; its program reads what to do in its folder."""
    site = SITE
    command_template = "{{{{ python }}}} -m ambs_hpc.launcher.executors.balsam.child_main {{{{ folder }}}}"
'''


class BalsamService:
    """Balsam's service, as one login uses it."""

    def __init__(self) -> None:
        """Read the login; nothing is asked yet.

        Raises:
            UsageError: the client is not installed.
            BalsamRefused: there is no login on this machine.
        """
        if find_spec("balsam") is None:
            raise UsageError(MISSING)
        logging.getLogger("balsam").setLevel(logging.CRITICAL)  # we report what matters ourselves
        self._url = "Balsam's service"
        self._logged_in: Any = None
        with self._translated("read Balsam's login"):
            self._client  # noqa: B018  so that a missing login is reported now

    @property
    def _client(self) -> Any:
        """Balsam's client; after a refusal the login is read again, because it may have been renewed."""
        if self._logged_in is None:
            from balsam.config import ClientSettings

            settings = ClientSettings.load_from_file()
            self._url = str(settings.api_root)
            client = settings.build_client()
            client.retry_count = NO_RETRIES
            client.connect_timeout, client.read_timeout = CONNECT_SECONDS, READ_SECONDS
            self._logged_in = client
        return self._logged_in

    # -- sites and applications ---------------------------------------------------------------------

    def site(self, name: str) -> BalsamSite:
        """The site of that name.

        Raises:
            NotFound: there is no such site.
        """
        rows = self._pages("sites/", "list sites")
        for row in rows:
            if row["name"] == name:
                refreshed = row["last_refresh"]
                age = None if refreshed is None else _now() - seconds_of(refreshed)
                return BalsamSite(int(row["id"]), name, Path(row["path"]), age)
        known = nearest(name, (str(row["name"]) for row in rows))
        raise NotFound(f"You have no Balsam site {name!r} at {self._url}. {known}")

    def register_application(self, site_id: int) -> int:
        """The id of our application at a site, where it is created or updated if necessary."""
        from balsam.api import ApplicationDefinition
        from balsam.schemas import serialize

        names: dict[str, Any] = {
            "__name__": "__main__",
            "ApplicationDefinition": ApplicationDefinition,
            "SITE": site_id,
        }
        exec(APP_SOURCE, names)  # our own text
        one = names[APP]
        fields: dict[str, Any] = {
            "site_id": site_id,
            "name": APP,
            "description": one.__doc__,
            "serialized_class": serialize(one),
            "source_code": APP_SOURCE,
            "parameters": one.parameters,
            "transfers": {},
            "cleanup_files": [],
        }
        found = self._pages("apps/", "list applications", site_id=site_id, name=APP)
        if found and found[0]["source_code"] == APP_SOURCE:
            return int(found[0]["id"])
        with self._translated("register the application"):
            if found:
                return int(self._client.put(f"apps/{found[0]['id']}", **fields)["id"])
            return int(self._client.post("apps/", **fields)["id"])

    # -- jobs ---------------------------------------------------------------------------------------

    def create_jobs(self, application_id: int, new: Sequence[NewJob]) -> list[Job]:
        """Create up to 5000 jobs. When the answer is lost they may exist: look before trying again."""
        from balsam.schemas import serialize

        rows = [
            {
                "app_id": application_id,
                "workdir": one.workdir,
                "tags": dict(one.tags),
                "serialized_parameters": serialize(dict(one.parameters)),
                "data": {"folder": one.folder},
                "num_nodes": one.num_nodes,
                "ranks_per_node": one.ranks_per_node,
                "threads_per_rank": one.threads_per_rank,
                "gpus_per_rank": one.gpus_per_rank,
                "node_packing_count": one.node_packing_count,
                "wall_time_min": one.wall_time_min,
                "parent_ids": [],
                "transfers": {},
            }
            for one in new
        ]
        with self._translated(f"create {len(rows)} jobs"):
            created = self._client.bulk_post("jobs/", rows)
        return [_job(row) for row in created]

    def jobs(
        self,
        application_id: int,
        *,
        tags: Mapping[str, str],
        states: Collection[str] = (),
        changed_since: str | None = None,
    ) -> list[Job]:
        """The jobs of our application that have all these tags.

        Args:
            states: states to look for; empty for all.
            changed_since: a `last_update`, as Balsam writes it.
        """
        asked: dict[str, Any] = {
            "app_id": application_id,
            "tags": [f"{key}:{value}" for key, value in tags.items()],
        }
        if states:
            asked["state"] = list(states)
        if changed_since is not None:
            asked["last_update_after"] = changed_since
        return [_job(row) for row in self._pages("jobs/", "list jobs", **asked)]

    def settle_jobs(self, ids: Sequence[int], state: str, words: str) -> None:
        """Give unfinished jobs a final state, which releases them from launchers of Balsam's that died.

        A launcher that lives and holds such a job continues with it, and its final state replaces this one.

        Args:
            state: "JOB_FINISHED" or "FAILED".
            words: the reason, for the event log.
        """
        said = {"state": state, "state_data": {"message": words}}
        for begin in range(0, len(ids), IDS_AT_ONCE):
            some = list(ids[begin : begin + IDS_AT_ONCE])
            with self._translated("finalise jobs"):
                self._client.bulk_put("jobs/", said, id=some, state=list(UNFINISHED))

    def loosen_jobs(self, ids: Sequence[int]) -> None:
        """Release jobs that have not begun from the launchers of Balsam's that hold them, dead or alive."""
        said = {"state": "STAGED_IN", "state_data": {"message": "passed over: offered again"}}
        for begin in range(0, len(ids), IDS_AT_ONCE):
            some = list(ids[begin : begin + IDS_AT_ONCE])
            with self._translated("loosen jobs"):
                self._client.bulk_put("jobs/", said, id=some, state=["PREPROCESSED", "RESTART_READY"])

    def endings(self, ids: Sequence[int]) -> list[JobEnding]:
        """Why these jobs failed: the last event that says so, for each."""
        found: dict[int, JobEnding] = {}
        for begin in range(0, len(ids), IDS_AT_ONCE):
            some = list(ids[begin : begin + IDS_AT_ONCE])
            for row in self._pages("events/", "read the event log", job_id=some, ordering="timestamp"):
                data = row["data"] or {}
                words = data.get("error") or data.get("exception") or data.get("message") or ""
                if row["to_state"] == "RUN_ERROR" or (row["to_state"] == "FAILED" and words):
                    found[row["job_id"]] = JobEnding(
                        row["job_id"], data.get("returncode"), str(words).strip()
                    )
        return list(found.values())

    # -- batch jobs ---------------------------------------------------------------------------------

    def create_batch(self, site_id: int, new: BatchRequest) -> Batch:
        """Create a batch job, which the site's agent then submits."""
        fields: dict[str, Any] = {
            "site_id": site_id,
            "project": new.project,
            "queue": new.queue,
            "num_nodes": new.nodes,
            "wall_time_min": new.minutes,
            "job_mode": new.mode,
            "filter_tags": dict(new.filter_tags),
            "optional_params": {},
            "partitions": None,
        }
        with self._translated("create a batch job"):
            return _batch(self._client.post("batch-jobs/", **fields))

    def batches(
        self, *, site_id: int | None = None, ids: Sequence[int] = (), states: Sequence[str] = ()
    ) -> list[Batch]:
        """The batch jobs of a site, or those with these ids."""
        asked: dict[str, Any] = {"state": list(states)} if states else {}
        if site_id is not None:
            asked["site_id"] = site_id
        if ids:
            asked["id"] = list(ids)
        return [_batch(row) for row in self._pages("batch-jobs/", "list batch jobs", **asked)]

    def end_batch(self, batch_id: int) -> None:
        """Ask the site's agent to end a batch job; one that is not submitted yet is over at once."""
        found = self.batches(ids=[batch_id])
        is_new = bool(found) and found[0].scheduler_id is None
        with self._translated("end a batch job"):
            self._client.put(f"batch-jobs/{batch_id}", state="finished" if is_new else "pending_deletion")

    # -- errors -------------------------------------------------------------------------------------

    def _pages(self, path: str, what: str, **asked: Any) -> list[dict[str, Any]]:
        """The whole answer to a question."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self._page(path, what, **asked, limit=ROWS_AT_ONCE, offset=len(rows))
            rows += page["results"]
            if len(rows) >= page["count"] or not page["results"]:
                return rows

    def _page(self, path: str, what: str, **asked: Any) -> dict[str, Any]:
        """A page of the answer; asked once more, because a reused connection may have been closed."""
        try:
            return self._answer(path, what, **asked)
        except BalsamUnreachable:
            return self._answer(path, what, **asked)

    def _answer(self, path: str, what: str, **asked: Any) -> dict[str, Any]:
        with self._translated(what):
            found: dict[str, Any] = self._client.get(path, **asked)
        return found

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Replace the client's exceptions by BalsamUnreachable or BalsamRefused."""
        from balsam.client import NotAuthenticatedError
        from requests import RequestException

        try:
            yield
        except NotAuthenticatedError as error:
            self._logged_in = None
            raise BalsamRefused(
                f"Tried to {what}: nobody is logged in at Balsam, or not any more. {LOGIN}"
            ) from error
        except TimeoutError as error:  # the client raises it for a refusal too, when it has no retry left
            raise self._cause(what, error.__context__ or error) from error
        except (RequestException, ValueError) as error:  # ValueError: an answer that is no JSON
            raise BalsamUnreachable(f"Tried to {what} at {self._url}: {_short(error)}") from error

    def _cause(self, what: str, cause: BaseException) -> BalsamUnreachable | BalsamRefused:
        """Our error for the cause of a client's exception."""
        from requests import HTTPError

        told = f"Tried to {what} at {self._url}: {_short(cause)}"
        if not isinstance(cause, HTTPError) or cause.response is None or cause.response.status_code >= 500:
            return BalsamUnreachable(told)
        if cause.response.status_code == 401:
            self._logged_in = None
            return BalsamRefused(f"Tried to {what}: Balsam's token has expired or is unknown. {LOGIN}")
        return BalsamRefused(told)


def node_shape(site: BalsamSite) -> tuple[int, int]:
    """Cores and GPUs of each node in the site's settings, by which Balsam packs.

    Raises:
        UsageError: the site's folder cannot be read here.
    """
    from balsam.config import Settings

    file = site.path / "settings.yml"
    try:
        node = Settings.load(file).launcher.compute_node
    except (OSError, ValueError, ImportError) as error:
        raise UsageError(
            f"Balsam site {site.name!r} keeps its settings in {file}, which cannot be used here ({error}). "
            "Start this where the site's file system is mounted."
        ) from error
    return len(node.cpu_ids), len(node.gpu_ids)


def _now() -> float:
    return datetime.now(tz=timezone.utc).timestamp()


def _job(row: Mapping[str, Any]) -> Job:
    folder = str((row["data"] or {}).get("folder", ""))
    return Job(int(row["id"]), str(row["state"]), row["tags"], folder, str(row["last_update"]))


def _batch(row: Mapping[str, Any]) -> Batch:
    request = BatchRequest(
        int(row["num_nodes"]),
        int(row["wall_time_min"]),
        str(row["queue"]),
        str(row["project"]),
        str(row["job_mode"]),
        row["filter_tags"],
    )
    started = row["start_time"]
    error = str((row["status_info"] or {}).get("error", ""))
    scheduler_id = row["scheduler_id"]
    return Batch(
        int(row["id"]),
        scheduler_id,
        str(row["state"]),
        request,
        None if started is None else seconds_of(started),
        error,
    )


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + "..."
