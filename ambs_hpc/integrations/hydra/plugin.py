"""What Hydra finds: installed a second time as `hydra_plugins.hydra_ambs_sweeper`, where it looks.

Every program that uses Hydra imports it when it starts, so it imports next to nothing.
"""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper

from ambs_hpc.integrations.hydra.settings import SweeperSettings


class AmbsSweeper(Sweeper):
    """Hydra's side of a sweep; what it does is in `swept_campaign.py`."""

    def __init__(self, **_settings: Any) -> None:
        super().__init__()  # they are read from the configuration, where they have their types

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Take what Hydra has composed."""
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> None:
        """Search until the budget is spent; see `run_sweep`."""
        from ambs_hpc.integrations.hydra.swept_campaign import run_sweep

        run_sweep(self.hydra_context, self.config, arguments)


ConfigStore.instance().store(group="hydra/sweeper", name="ambs", node=SweeperSettings, provider="ambs_hpc")
