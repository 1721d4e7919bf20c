"""Adds to another program's files what they do not have yet of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ambs_hpc import queue
from ambs_hpc.bridges.exported_run import ExportedCampaign, ExportedRun, exported_run, run_key
from ambs_hpc.bridges.mlflow_files import MlflowFiles
from ambs_hpc.bridges.optuna_storage import OptunaStorage
from ambs_hpc.bridges.tensorboard_files import TensorboardFiles
from ambs_hpc.bridges.wandb_files import WandbFiles
from ambs_hpc.errors import UsageError
from ambs_hpc.file_lock import file_lock
from ambs_hpc.problem.space import stored_space
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.queue import EvaluationRow
    from ambs_hpc.records import Campaign

AT_ONCE = 200  # runs that are read in one transaction, and handed on together


class RunFiles(Protocol):
    """Files of another program, to which runs are added; `known` and `run_id` tell what is there already."""

    def known(self, campaign: ExportedCampaign) -> Collection[str]:
        """Ids of the runs of the campaign that are there, each whole."""
        ...

    def run_id(self, key: str) -> str:
        """The other program's id for a run."""
        ...

    def begin(self, campaign: ExportedCampaign) -> None:
        """Make what runs of the campaign stand in."""
        ...

    def add(self, campaign: ExportedCampaign, runs: Sequence[ExportedRun]) -> None:
        """Add runs; of each there is all or nothing, whenever it is killed."""
        ...


@dataclass(frozen=True, slots=True)
class BridgeTarget:
    """A program to which campaigns are exported.

    Args:
        output: where, unless a person says another place.
        is_file: it is a file and not a folder.
        look: the command that shows it, with {output}.
    """

    open: Callable[[Path], RunFiles]
    output: str
    is_file: bool
    look: str


TARGETS: Mapping[str, BridgeTarget] = {
    "mlflow": BridgeTarget(
        MlflowFiles, "mlruns", False, "MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {output}"
    ),
    "tensorboard": BridgeTarget(TensorboardFiles, "tb-logs", False, "tensorboard --logdir {output}"),
    "wandb-offline": BridgeTarget(WandbFiles, "wandb-runs", False, "wandb sync {output}/wandb/offline-run-*"),
    "optuna": BridgeTarget(OptunaStorage, "optuna.db", True, "optuna-dashboard sqlite:///{output}"),
}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: runs of one campaign that it added, and that were there."""

    campaign: str
    added: int
    present: int


def export_campaign(engine: Engine, campaign: Campaign, form: str, output: Path) -> ExportReport:
    """Add to `output` what it does not have yet of the campaign's DONE and FAILED evaluations.

    It may be killed at any time; the next call goes on.

    Args:
        form: one of `TARGETS`.

    Raises:
        UsageError: the package is missing, the place is something else's, or another export writes to it.
    """
    target = TARGETS[form]
    with _alone(output.parent / f".{output.name}.ambs-lock" if target.is_file else output / ".ambs-lock"):
        files = target.open(output)
        with queue.reading(engine) as connection:
            rows = [
                row
                for state in (State.DONE, State.FAILED)
                for row in queue.list_evaluations(connection, campaign.id, state, limit=None)
            ]
            revisions = queue.revisions_of(connection, campaign.id)
        spaces = [stored_space(one.definition.problem, campaign.name) for one in revisions]
        exported = ExportedCampaign.of(campaign, spaces)
        known = files.known(exported)
        rows.sort(key=lambda row: (row.finished_at or 0.0, row.id))
        new = [row for row in rows if files.run_id(run_key(row, exported)) not in known]
        files.begin(exported)
        for some in _runs(engine, exported, new):
            files.add(exported, some)
    return ExportReport(campaign.name, len(new), len(rows) - len(new))


def _runs(
    engine: Engine, campaign: ExportedCampaign, rows: Sequence[EvaluationRow]
) -> Iterator[list[ExportedRun]]:
    """The runs with their reports; no transaction is open while one is written."""
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        with queue.reading(engine) as connection:
            reports = {row.id: queue.reports_of(connection, row.id) for row in some}
        yield [exported_run(row, campaign, reports[row.id]) for row in some]


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep a second export away from the same files: both would add the same runs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(file, UsageError(f"Another export writes beside {file}. Wait for it, or give --output.")):
        yield
