"""Hydra's callback in an evaluation: what the program's function returned becomes the objective."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.utils import JobStatus
from hydra.experimental.callback import Callback

from ambs_hpc.launcher.supervisor.function_main import is_first_rank
from ambs_hpc.launcher.supervisor.metrics import parse_result


class ResultCallback(Callback):
    """Writes the result file that `$AMBS_RESULT` names; Hydra keeps what a program returns to itself."""

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """Leave the objective and metrics, or say on stderr why there is none."""
        target = os.environ.get("AMBS_RESULT")
        has_returned = job_return.status is JobStatus.COMPLETED  # Hydra raises what it raised
        if target is None or not has_returned or not is_first_rank(os.environ):
            return
        said = parse_result(job_return.return_value)
        if said.objective is None:
            sys.stderr.write(
                f"ambs: {said.error}. The function under @hydra.main returns the objective: a number, or a "
                "dict with 'objective' and other metrics.\n"
            )
            return
        temporary = Path(f"{target}.{os.getpid()}")
        temporary.write_text(json.dumps({**said.metrics, "objective": said.objective}))
        temporary.replace(target)
