"""What happened in a campaign: figures and tables of ended evaluations.

The unit shares its name with the function `ambs_hpc.report`, whose place in the package it takes once it is
imported: therefore it can be called as that function.
"""

from __future__ import annotations

import sys
from types import ModuleType


class _UnitAndFunction(ModuleType):
    """This module, which does as `ambs_hpc.report` when it is called."""

    def __call__(self, step: int, value: object, /, **metrics: object) -> None:
        """See `report_function.report`."""
        from ambs_hpc.launcher.supervisor.progress.report_function import report

        report(step, value, **metrics)


sys.modules[__name__].__class__ = _UnitAndFunction
