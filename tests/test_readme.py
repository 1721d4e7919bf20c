"""What the README tells people to type works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.commands import Shell

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The README's own campaign, with an objective that needs no GPU."""
    folder = tmp_path_factory.mktemp("readme")
    problem, _model, driven, library = blocks("python")
    assert "create_searcher" in library
    assert "Campaign(problem" in driven
    shell = Shell(folder, str(folder / "ambs.db"))
    shell.write("problem.py", problem.replace("cores=4, gpus=1, memory_gib=16", "cores=1"))
    shell.write(
        "model.py",
        "def train(configuration):\n"
        "    if configuration['units'] > 400:\n"
        "        raise MemoryError('too many units')\n"
        "    return configuration['lr'] * configuration['units']\n",
    )
    shell.ambs("run", "problem.py", "--max-evaluations", "12", "--slots", "2", "--method", "random")
    return shell


@pytest.mark.parametrize("query", [line for block in blocks("sql") for line in block.strip().splitlines()])
def test_monitoring_query_runs(query: str, campaign: Shell) -> None:
    """People paste these into psql."""
    rows = campaign.rows(query)
    assert rows or "RUNNING" in query


COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"(?:^    ambs .*\n)+", README, flags=re.MULTILINE)
    for line in block.strip().splitlines()
]


def test_every_command_of_the_readme_exists(campaign: Shell) -> None:
    """A renamed command or option is renamed in the README too."""
    named = {line.split()[1] for line in COMMANDS}
    assert named >= {"run", "search", "launch", "status", "list", "show", "logs", "best", "export", "rerun"}
    for line in COMMANDS:
        command = line.split()[1]
        options = set(re.findall(r"--[\w-]+", line))
        shown = campaign.ambs(command, "--help")
        assert all(option in shown for option in options), line


def test_library_snippet_runs() -> None:
    """The search is usable in other people's loops as shown."""
    names: dict[str, object] = {}
    exec(blocks("python")[3], names)
    assert len(names["proposals"]) == 8  # type: ignore[arg-type]


def test_campaign_snippet_runs(campaign: Shell) -> None:
    """In a folder of its own, beside the module that it imports."""
    (campaign.folder / "from_python").mkdir()
    script = blocks("python")[2].replace("max_evaluations=200", "max_evaluations=3")
    campaign.write("from_python/script.py", script + "print(len(campaign.results()))\n")
    campaign.write("from_python/model.py", "def train(configuration):\n    return configuration['lr']\n")
    command = [sys.executable, "script.py"]
    folder = campaign.folder / "from_python"
    done = subprocess.run(command, cwd=folder, env=campaign.environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
