"""Site files are data that a person edits: mistakes are told with line and nearest right key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from ambs_hpc.errors import NotFound, SiteInvalid
from ambs_hpc.sites import load_site, site_configs_folder, site_names
from ambs_hpc.sites.schema import site_schema


@pytest.mark.parametrize("name", site_names())
def test_each_site_is_valid_and_says_where_it_is_from(name: str) -> None:
    """Figures without date and source cannot be trusted when a centre changes its rules."""
    site = load_site(name)
    assert site.name == name
    assert site.source
    assert site.description
    plain = json.loads(
        json.dumps(yaml.safe_load((site_configs_folder() / f"{name}.yml").read_text()), default=str)
    )
    jsonschema.validate(plain, site_schema())


def test_profiles_asked_for_are_there() -> None:
    """The machines this project was begun for, and today's."""
    asked = "theta cooley polaris aurora sophia crux perlmutter-gpu perlmutter-cpu frontier slurm pbs local"
    assert set(asked.split()) <= set(site_names())


def test_numbering_and_reserved_cores_are_expressible() -> None:
    """Aurora leaves two cores to the system, Frontier the first of each cache; GPU 0 of Polaris is last."""
    assert len(load_site("aurora").node.usable_cores) == 102
    assert len(load_site("frontier").node.usable_cores) == 56
    assert load_site("polaris").node.gpu_cores[0] == "24-31"
    assert load_site("aurora").node.names_of_gpus[-1] == "5.1"
    assert load_site("polaris").node.names_of_gpus == ["0", "1", "2", "3"]


def test_own_site_extends_one_of_ours(tmp_path: Path) -> None:
    """Mappings are merged, lists and values replaced; the same name means the one that is extended."""
    (tmp_path / "polaris.yml").write_text(
        "extends: polaris\ndefault_queue: debug\npreamble: [module load me]\n"
        "queues:\n  debug:\n    note: mine\n"
    )
    own, ours = load_site("polaris", tmp_path), load_site("polaris")
    assert own.default_queue == "debug"
    assert own.preamble == ["module load me"]
    assert own.queues["debug"].note == "mine"
    assert own.queues["debug"].tiers == ours.queues["debug"].tiers
    assert own.queues["prod"] == ours.queues["prod"]


WRONG = {
    "extends: polaris\nnodez: 3\n": (2, "nodez", "'node'"),
    "extends: polaris\nnode:\n  coers: 3\n": (3, "node.coers", "'cores'"),
    "extends: polaris\nqueues:\n  debug:\n    min_minute: 5\n": (4, "debug.min_minute", "'min_minutes'"),
    "extends: polaris\nnode:\n  cores: many\n": (3, "node.cores", "Expected `int`"),
    "extends: polaris\nnode:\n  cores: 0\n": (3, "node.cores", "from 1"),
    "extends: polaris\nqueues:\n  debug:\n    tiers: [{min_nodes: 5, max_nodes: 2, max_minutes: 3}]\n": (
        4, "tiers[0]", "5 to 2 nodes",
    ),
    "extends: polaris\nnode:\n  gpu_cores: ['0-7']\n": (3, "node.gpu_cores", "1 of 4 GPUs"),
    "extends: polaris\nnode:\n  reserved_cores: '0,99'\n": (3, "node.reserved_cores", "0 to 31"),
    "extends: polaris\nnode:\n  reserved_cores: first\n": (3, "node.reserved_cores", "numbers and ranges"),
    "extends: polaris\ndefault_queue: prdo\n": (2, "default_queue", "'prod'"),
    "scheduler: lsf\nas_of: 2024-01-01\nsource: x\nnode: {cores: 4}\n": (1, "scheduler", "lsf"),
    "a: [\n": (2, "file", "not YAML"),
    "extends: mine\n": (1, "extends", "itself"),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_wrong_site_is_told(text: str, tmp_path: Path) -> None:
    """File, line, key, and what is accepted."""
    (tmp_path / "mine.yml").write_text(text)
    line, key, part = WRONG[text]
    if "extends: mine" in text:
        (tmp_path / "mine.yml").write_text("extends: yours\n")
        (tmp_path / "yours.yml").write_text("extends: mine\n")
    with pytest.raises(SiteInvalid) as caught:
        load_site("mine", tmp_path)
    assert key in str(caught.value)
    assert part in str(caught.value)
    assert caught.value.line == line


def test_unknown_site_is_told() -> None:
    """With the nearest name."""
    with pytest.raises(NotFound, match="Did you mean 'polaris'"):
        load_site("polarus")
