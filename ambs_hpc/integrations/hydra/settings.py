"""What stands under `hydra.sweeper`; Hydra checks names and types."""
# ruff: noqa: UP045  OmegaConf reads the annotations, and its older versions know no `int | None`

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional


@dataclass
class ResourcesSettings:
    """The resources of one evaluation, as `ambs_hpc.Resources` has them."""

    cores: int = 1
    gpus: int = 0
    memory_gib: float = 0.0
    nodes: int = 1
    ranks_per_node: int = 1
    whole_node: bool = False


@dataclass
class SubmitSettings:
    """Allocations instead of this machine, as `ambs submit` asks for them; `nodes: null` asks for none."""

    nodes: Optional[int] = None
    time: str = ""
    queue: str = ""
    project: str = ""
    site: str = ""
    chain: int = 1
    wait: bool = False


@dataclass
class SweeperSettings:
    """The sweeper's configuration; None leaves a value as the campaign has it."""

    _target_: str = "hydra_plugins.hydra_ambs_sweeper.AmbsSweeper"
    params: dict[str, Any] = field(default_factory=dict)
    direction: str = "minimize"
    max_evaluations: Optional[int] = None
    max_minutes: Optional[float] = None
    slots: Optional[int] = None
    db: Optional[str] = None
    name: Optional[str] = None
    method: Optional[str] = None
    options: dict[str, Any] = field(default_factory=dict)
    seed: Optional[int] = None
    runs: str = "ambs-runs"
    starting_points: list[Any] = field(default_factory=list)
    resources: ResourcesSettings = field(default_factory=ResourcesSettings)
    time_limit_seconds: Optional[float] = None
    max_failures: int = 1
    max_interruptions: int = 10
    submit: SubmitSettings = field(default_factory=SubmitSettings)
