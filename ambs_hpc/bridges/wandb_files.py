"""Offline runs of Weights & Biases, by its own package: no network before somebody runs `wandb sync`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ambs_hpc.bridges.exported_run import OBJECTIVE, ExportedCampaign, ExportedRun
from ambs_hpc.errors import UsageError

INDEX = ".ambs-runs"  # ids of runs that are whole, also of those that `wandb sync --clean` has removed


class WandbFiles:
    """A folder in which wandb keeps offline runs; each takes about a fifth of a second."""

    def __init__(self, folder: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise UsageError(
                "wandb-offline needs wandb: pip install 'ambs-hpc[wandb]', in an environment with pydantic 2 "
                f"(Balsam's client excludes it). Python said: {error}"
            ) from error
        self._wandb: Any = wandb
        self._folder = folder

    def known(self, campaign: ExportedCampaign) -> Collection[str]:
        """Ids of the runs that are whole; what a killed export left of others is removed."""
        index = self._folder / INDEX
        whole = set(index.read_text().split()) if index.is_file() else set()
        for place in (self._folder / "wandb").glob("offline-run-*-ambs*"):
            if place.name.rpartition("-")[2] not in whole:
                shutil.rmtree(place)
        return whole

    def run_id(self, key: str) -> str:
        """The id of a run."""
        return f"ambs{hashlib.sha256(key.encode()).hexdigest()[:20]}"

    def begin(self, campaign: ExportedCampaign) -> None:
        """Make the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, campaign: ExportedCampaign, runs: Sequence[ExportedRun]) -> None:
        """Write runs, each as a whole."""
        for run in runs:
            self._add(campaign, run)

    def _add(self, campaign: ExportedCampaign, run: ExportedRun) -> None:
        """Write one run; it counts as there once the index names it."""
        settings = self._wandb.Settings(
            console="off",
            disable_git=True,
            save_code=False,
            silent=True,
            x_disable_meta=True,
            x_disable_stats=True,
        )
        identifier = self.run_id(run.key)
        tags = {name: text for name, text in run.tags.items() if name != "ambs.error"}
        opened = self._wandb.init(
            mode="offline",
            dir=str(self._folder),
            project=campaign.name,
            group=campaign.uid,
            id=identifier,
            name=run.name,
            notes=run.tags.get("ambs.error"),
            tags=[run.tags["ambs.state"].lower(), run.tags["ambs.proposal"]],
            config={**run.configuration, "ambs": {**tags, "finished_at": run.finished_at}},
            settings=settings,
        )
        for step, at, numbers in run.series:
            opened.log({"reported_at": at, **numbers}, step=step)
        for name, number in run.metrics.items():
            opened.summary[name] = number
        if run.objective is not None:
            opened.summary[OBJECTIVE] = run.objective
        opened.summary["run_seconds"] = run.finished_at - run.started_at
        opened.finish(exit_code=0 if run.is_done else 1)
        with (self._folder / INDEX).open("a") as index:
            index.write(f"{identifier}\n")
