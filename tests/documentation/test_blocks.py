"""Code in the pages is code: Python that compiles, YAML that loads, shell that parses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.documentation.blocks import DOCS, Block, blocks_of

PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_blocks_can_be_read(page: Path) -> None:
    """Whoever pastes one is not stopped by a slip of ours."""
    for block in blocks_of(page):
        if block.language == "python":
            compile(block.text, f"{block.page}, line {block.line}", "exec")
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "bash":
            parsed = subprocess.run(["bash", "-n", "-c", block.text], capture_output=True, text=True)
            assert parsed.returncode == 0, f"{block.page}, line {block.line}: {parsed.stderr}"


def test_what_is_only_shown_says_why(tmp_path: Path) -> None:
    """A tutorial is trusted because it is run; each exception is told to the reader of its source."""
    text = (
        "<!-- not run: needs a queue -->\n```bash\nfalse\n```\n\n```bash\ntrue\n```\n\n"
        '=== "PBS"\n\n    ```bash\n    qsub x\n    ```\n\nAnd\n\n```python title="a.py"\nx = 1\n```\n'
    )
    (tmp_path / "page.md").write_text(text)
    assert blocks_of(tmp_path / "page.md") == [
        Block("page.md", 2, "bash", "false\n", is_run=False),
        Block("page.md", 6, "bash", "true\n"),
        Block("page.md", 12, "bash", "qsub x\n", tab="PBS"),
        Block("page.md", 18, "python", "x = 1\n", title="a.py"),
    ]


# Set by one part of the program for another; nobody else may rely on them.
INTERNAL = re.compile(r"AMBS_(LOCAL_\w+|POOL\w*|LAUNCHER|NODE_LOCK)")


def test_every_variable_is_told() -> None:
    """A variable that only the source knows is a secret switch."""
    package = [*(DOCS.parent / "ambs_hpc").rglob("*.py"), *(DOCS.parent / "job_templates").iterdir()]
    named = {name for file in package for name in re.findall(r"\bAMBS_[A-Z_]*[A-Z]\b", file.read_text())}
    told = (DOCS / "reference" / "variables.md").read_text()
    assert {name for name in named if f"`{name}`" not in told and not INTERNAL.fullmatch(name)} == set()
