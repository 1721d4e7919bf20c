"""Runs in the file store of MLflow (`mlruns`), written by hand in its documented layout: one folder a run.

Why not MLflow's client: it needs pydantic 2, which other parts of an installation may exclude, and a call for
each value. A folder appears by one rename when all of it is there.

Source: MLflow documentation, "Backend Stores: file store"; read by MLflow 3.17 and its predecessors.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ambs_hpc.bridges.exported_run import OBJECTIVE, ExportedCampaign, ExportedRun

FINISHED, FAILED = 3, 4  # of mlflow.entities.RunStatus
LONGEST_PARAMETER, LONGEST_TAG = 6000, 5000
_NOT_ALLOWED = re.compile(r"[^\w\-. /]")


class MlflowFiles:
    """A file store; `folder` is what MLflow calls the tracking URI."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def known(self, campaign: ExportedCampaign) -> Collection[str]:
        """Ids of the runs that the campaign's experiment has."""
        place = self._folder / _experiment_id(campaign)
        return {one.name for one in place.iterdir() if one.is_dir()} if place.is_dir() else set()

    def run_id(self, key: str) -> str:
        """MLflow's id of a run: 32 hexadecimal digits."""
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def begin(self, campaign: ExportedCampaign) -> None:
        """Make the store and the campaign's experiment where they are missing."""
        identifier = _experiment_id(campaign)
        place = self._folder / identifier
        if (place / "meta.yaml").is_file():
            return
        place.mkdir(parents=True, exist_ok=True)
        meta = {
            "artifact_location": place.absolute().as_uri(),
            "experiment_id": identifier,
            "lifecycle_stage": "active",
            "name": _free_name(self._folder, campaign),
        }
        _write(place / "meta.yaml.partial", _yaml(meta))
        (place / "meta.yaml.partial").rename(place / "meta.yaml")

    def add(self, campaign: ExportedCampaign, runs: Sequence[ExportedRun]) -> None:
        """Write runs, each as a whole."""
        for run in runs:
            self._add(campaign, run)

    def _add(self, campaign: ExportedCampaign, run: ExportedRun) -> None:
        """Write one run, all of it or nothing."""
        experiment = _experiment_id(campaign)
        identifier = self.run_id(run.key)
        place = self._folder / experiment / identifier
        # Outside of what MLflow reads: what is half written is no run of anybody's.
        partial = self._folder.absolute().parent / f".{self._folder.absolute().name}.ambs-partial"
        shutil.rmtree(partial, ignore_errors=True)
        for name in ("params", "metrics", "tags", "artifacts"):
            (partial / name).mkdir(parents=True)
        meta = {
            "artifact_uri": (place / "artifacts").absolute().as_uri(),
            "end_time": _milliseconds(run.finished_at),
            "entry_point_name": "",
            "experiment_id": experiment,
            "lifecycle_stage": "active",
            "run_id": identifier,
            "run_name": run.name,
            "run_uuid": identifier,
            "source_name": "ambs_hpc",
            "source_type": 4,
            "source_version": "",
            "start_time": _milliseconds(run.started_at),
            "status": FINISHED if run.is_done else FAILED,
            "tags": [],
            "user_id": "ambs_hpc",
        }
        _write(partial / "meta.yaml", _yaml(meta))
        parameters = {name: str(value)[:LONGEST_PARAMETER] for name, value in run.configuration.items()}
        tags = {"mlflow.runName": run.name, **run.tags}
        metrics = {name: "".join(lines) for name, lines in _metric_lines(run).items()}
        _write_each(partial / "params", parameters)
        _write_each(partial / "tags", {name: text[:LONGEST_TAG] for name, text in tags.items()})
        _write_each(partial / "metrics", metrics)
        partial.rename(place)


def _metric_lines(run: ExportedRun) -> dict[str, list[str]]:
    """A line of time, value and step for each value; the last one is what MLflow shows of a metric."""
    lines: dict[str, list[str]] = {}
    for step, at, numbers in run.series:
        for name, number in numbers.items():
            told = f"report/{name}" if name == OBJECTIVE else name
            lines.setdefault(told, []).append(f"{_milliseconds(at)} {number!r} {step}\n")
    last = max((step for step, _, _ in run.series), default=0)
    for name, number in run.metrics.items():
        step = last + 1 if name in lines else 0
        lines.setdefault(name, []).append(f"{_milliseconds(run.finished_at)} {number!r} {step}\n")
    if run.objective is not None:
        lines[OBJECTIVE] = [f"{_milliseconds(run.finished_at)} {run.objective!r} 0\n"]
    return lines


def _experiment_id(campaign: ExportedCampaign) -> str:
    """A number of 18 digits, as MLflow has them."""
    return str(10**17 + int(hashlib.sha256(campaign.uid.encode()).hexdigest(), 16) % (9 * 10**17))


def _free_name(folder: Path, campaign: ExportedCampaign) -> str:
    """The campaign's name, with its uid where another experiment has that name."""
    line = f"name: {_quoted(campaign.name)}"
    taken = any(line in file.read_text().splitlines() for file in folder.glob("*/meta.yaml"))
    plain = any(
        f"name: {campaign.name}" in file.read_text().splitlines() for file in folder.glob("*/meta.yaml")
    )
    return f"{campaign.name}-{campaign.uid}" if taken or plain else campaign.name


def _write_each(folder: Path, texts: Mapping[str, str]) -> None:
    """A file for each text, in folders where its name has slashes; no two in one place."""
    taken: set[str] = set()
    folders: set[str] = set()
    for name in sorted(texts, key=lambda one: one.count("/")):
        path = _name(name)
        if taken.intersection(_above(path)):  # "loss/train" beside "loss"
            path = path.replace("/", ".")
        while path in taken or path in folders:
            path += "_"
        taken.add(path)
        folders.update(_above(path))
        _write(folder / path, texts[name])


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _name(name: str) -> str:
    """A name that MLflow takes, and that leads to no other folder."""
    cleaned = _NOT_ALLOWED.sub("_", name)
    parts = [part if part.strip(". ") else part.replace(".", "_") or "_" for part in cleaned.split("/")]
    return "/".join(part[:200] for part in parts)


def _milliseconds(at: float) -> int:
    return int(1000 * at)


def _quoted(value: object) -> str:
    return f"'{str(value).replace(chr(39), 2 * chr(39))}'"


def _yaml(values: Mapping[str, object]) -> str:
    lines = [
        f"{key}: {value if isinstance(value, int) else '[]' if value == [] else _quoted(value)}"
        for key, value in values.items()
    ]
    return "\n".join(lines) + "\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", errors="backslashreplace")
