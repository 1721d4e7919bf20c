"""The page on writing a site says what the code accepts."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from ambs_hpc.schedulers import SCHEDULERS
from ambs_hpc.sites import AllocationRequest, LaunchPlan, job_templates_folder, load_site, render_script
from ambs_hpc.sites.launch_families.registry import FAMILY_NAMES
from ambs_hpc.sites.profile import Launch, NodeShape, Queue, Site, Tier

PAGE = (Path(__file__).parents[2] / "docs" / "sites.md").read_text()


@pytest.mark.parametrize("struct", [Site, NodeShape, Queue, Tier, Launch])
def test_page_names_every_key(struct: type[msgspec.Struct]) -> None:
    """A key that is not on the page is found by nobody."""
    told = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(struct.__struct_fields__) <= told


@pytest.mark.parametrize(("key", "names"), [("scheduler", SCHEDULERS), ("family", FAMILY_NAMES)])
def test_page_names_every_scheduler_and_family(key: str, names: tuple[str, ...]) -> None:
    """A name that is registered and not on the page is found by nobody."""
    (row,) = re.findall(rf"^\| `{key}` \|(.*)$", PAGE, flags=re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == set(names)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_each_scheduler_has_a_template(name: str) -> None:
    """A site with this scheduler could otherwise be described, but not used."""
    assert (job_templates_folder() / f"{name}.sh.j2").is_file()


def test_page_names_every_word_of_templates(tmp_path: Path) -> None:
    """And each word on the page exists: templates are strict."""
    rows = PAGE.split("| word |")[1].splitlines()
    words = {
        word for row in rows if row.startswith("| `") for word in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    template = tmp_path / "all.sh.j2"
    template.write_text("".join(f"{{{{ {word} }}}}\n" for word in sorted(words)))
    request = AllocationRequest(2, 90, Path("/c"), project="P")
    render_script(load_site("slurm"), request, LaunchPlan(["ambs"], 1, Path("/c/1")), template)
    used: set[str] = set()
    for file in (Path(__file__).parents[2] / "job_templates").glob("*.j2"):
        used |= set(re.findall(r"(?:\{\{|if|and|not| in) ([a-z_]+)", file.read_text()))
    assert used - {"not", "line", "directive", "value", "name"} <= words


@pytest.mark.parametrize("number", [0, 1])
def test_examples_on_the_page_are_valid(number: int, tmp_path: Path) -> None:
    """They are what people start from."""
    text = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[number]
    name = text.split()[1]
    (tmp_path / name).write_text(text)
    site = load_site(name.removesuffix(".yml"), tmp_path)
    assert not site.node.found
    assert site.queues[site.default_queue].max_nodes > 1
