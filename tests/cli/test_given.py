"""`ambs tell`, `ambs add` and `ambs export`, as a person uses them together."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.errors import AmbsError
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(
    name="net",
    space={"lr": (1e-5, 0.1, "log"), "units": (8, 512), "kind": ["=a", "b"]},
    objective="model:train",
    direction="maximize",
)
"""
MODEL = """
def train(configuration):
    if configuration["kind"] == "b" and configuration["units"] > 400:
        raise ValueError("too wide")
    return {"objective": -configuration["lr"] * configuration["units"], "epochs": 3}
"""
# As DeepHyper writes it.
RESULTS = """\
p:kind,p:lr,p:units,objective,job_id,job_status,m:timestamp_submit,m:timestamp_gather
=a,0.001,64,-0.5,0,DONE,0.1,1.0
b,0.01,500,F_out_of_memory,1,DONE,0.1,1.2
b,0.02,32,F_CANCELLED,2,CANCELLED,0.1,1.3
"""


class Here(Shell):
    """Commands run in this process, which is faster, but for those that start others."""

    def ambs(self, *arguments: str, status: int = 0, timeout_seconds: float = 90) -> str:
        """What `ambs arguments` prints on stdout."""
        if arguments[0] == "run":
            return super().ambs(*arguments, status=status, timeout_seconds=timeout_seconds)
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result.stdout

    def refused(self, *arguments: str) -> str:
        """The message of a command that must fail."""
        with pytest.raises(AmbsError) as caught:
            self.ambs(*arguments)
        return str(caught.value)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    made = Here(tmp_path, str(tmp_path / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", MODEL)
    made.write("results.csv", RESULTS)
    monkeypatch.chdir(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def told(shell: Shell, *arguments: str) -> dict[str, object]:
    said = json.loads(shell.ambs(*arguments, "--json"))
    assert isinstance(said, dict)
    return said


def test_a_campaign_begins_with_what_is_known_already(shell: Here) -> None:
    """The second week: another program's table, an own idea, then the search, in one list."""
    dry = told(shell, "tell", "problem.py", "results.csv", "--method", "random", "--dry-run")
    assert not (shell.folder / "ambs.db").exists()
    said = told(shell, "tell", "problem.py", "results.csv", "--method", "random")
    assert said == {**dry, "dry_run": False}
    assert (dry["told"], dry["known"]) == (2, 0)
    assert dry["skipped"] == [{"place": "results.csv, line 4", "why": "was cancelled"}]
    assert told(shell, "tell", "net", "results.csv")["known"] == 2
    shell.ambs("add", "net", "--set", "lr=1e-5", "--set", "units=8", "--defaults")
    shell.ambs("run", "problem.py", "--max-evaluations", "4", "--slots", "1", "--method", "random")
    status = shell.ambs("status")
    assert re.search(r"of 4 and 1 added: 4 done, 1 failed; 2 imported", status), status
    listed = [line.split("\t") for line in shell.ambs("list").splitlines()[1:]]
    assert [row[2] for row in listed[:3]] == ["DONE (imported)", "FAILED ERROR (imported)", "DONE (added)"]
    point = ("--set", "lr=0.00001", "--set", "units=8.0", "--set", "kind==a")
    assert "is evaluation 3 already, DONE with -8e-05" in shell.ambs("add", "net", *point)
    assert "is run again by ambs add" in shell.refused("rerun", "2")
    shell.ambs("plot", "--output", "net.svg")
    assert "best imported" in (shell.folder / "net.svg").read_text()


def test_a_study_tells_a_campaign_whose_objective_has_a_name(shell: Here) -> None:
    """A storage has no columns: to name the one objective in the problem must not make one be looked for."""
    study = optuna.create_study(study_name="old", storage="sqlite:///old.db", direction="maximize")
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        "lr": optuna.distributions.FloatDistribution(1e-5, 0.1, log=True),
        "units": optuna.distributions.IntDistribution(8, 512),
        "kind": optuna.distributions.CategoricalDistribution(["=a", "b"]),
    }
    study.tell(study.ask(ranges), 0.75)
    shell.write("named.py", PROBLEM.replace('"maximize"', '{"accuracy": "maximize"}'))
    source = ("--optuna", "sqlite:///old.db", "--study", "old")
    assert told(shell, "tell", "named.py", *source)["told"] == 1
    best = json.loads(shell.ambs("best", "--json"))
    assert [(one["objective"], one["metrics"]) for one in best] == [(0.75, {"accuracy": 0.75})]
    shell.write("two.py", PROBLEM.replace('"maximize"', '{"accuracy": "maximize", "seconds": "minimize"}'))
    message = shell.refused("tell", "two.py", *source, "--name", "two")
    assert "seconds: is missing" in message


def test_an_export_tells_another_campaign_the_same(shell: Here) -> None:
    """What one campaign knows goes into the next, by a file or a pipe, through CSV's apostrophes too."""
    shell.ambs("run", "problem.py", "--max-evaluations", "9", "--slots", "1", "--method", "random")
    for form in ("csv", "json"):
        text = shell.ambs("export", form, "--campaign", "net")
        shell.write(f"all.{form}", text)
        said = told(shell, "tell", "problem.py", f"all.{form}", "--name", f"by-{form}")
        assert (said["told"], said["refused"]) == (9, [])
    select = (
        "select configuration, state, objective, failure_kind, coalesce(metrics, '{}') as metrics "
        "from v_evaluations where campaign = "
    )
    first = shell.rows(f"{select}'net' order by ordinal")
    assert len(first) == 9
    for form in ("csv", "json"):
        assert shell.rows(f"{select}'by-{form}' order by ordinal desc") == first
    table = list(csv.DictReader(io.StringIO((shell.folder / "all.csv").read_text())))
    iso = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    for row in table:
        assert all(iso.fullmatch(row[name]) for name in ("created_at", "started_at", "finished_at"))
        assert float(row["run_seconds"]) >= 0
        assert (row["proposal_kind"], row["direction"]) == ("design", "maximize")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tell", "net"), "Give one source"),
        (("tell", "net", "results.csv"), "There is no database"),
        (("tell", "problem.py", "gone.csv"), "gone.csv cannot be read: No such file"),
        (("tell", "problem.py", "results.csv", "--map", "lr"), "--map lr: write OLD=NEW"),
        (("tell", "problem.py", "results.csv", "--ignore", "lrr"), "--ignore lrr: the source has no such"),
        (("add", "net"), "Say which: ambs add CAMPAIGN --set"),
        (("add", "net", "--set", "lr"), "--set lr: write NAME=VALUE"),
    ],
)
def test_wrong_command_lines_say_what_to_give(shell: Here, arguments: tuple[str, ...], message: str) -> None:
    """Nothing is made by a command that is not understood."""
    said = shell.refused(*arguments)
    assert message in said
    assert not (shell.folder / "ambs.db").exists()


def test_all_or_nothing_unless_asked(shell: Here) -> None:
    """Half a table without a word would be worse than none."""
    shell.write("bad.csv", RESULTS + "c,0.01,9,1.0,3,DONE,0.1,1.4\n")
    said = shell.refused("tell", "problem.py", "bad.csv")
    assert (
        "1 rows are refused, nothing is told:\n  bad.csv, line 5: kind: is 'c'. Accepted: '=a', 'b'" in said
    )
    assert not (shell.folder / "ambs.db").exists()
    assert told(shell, "tell", "problem.py", "bad.csv", "--skip-refused")["told"] == 2
