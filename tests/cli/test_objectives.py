"""What commands tell of several objectives and constraints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc import open_campaign
from ambs_hpc.api.evaluation_words import _kind_words, predicted_what
from ambs_hpc.cli.main import app
from ambs_hpc.errors import UsageError
from ambs_hpc.problem.goals import Constraint, Goals
from ambs_hpc.queue import open_database, transaction
from tests.queue.test_best_results import RESULTS, TWO, told

SPACE = {
    "name": None,
    "hyperparameters": [
        {
            "type": "uniform_float",
            "name": "lr",
            "lower": 0.0,
            "upper": 1.0,
            "default_value": 0.5,
            "log": False,
        },
        {"type": "uniform_int", "name": "layers", "lower": 0, "upper": 9, "default_value": 5, "log": False},
    ],
    "conditions": [],
    "forbiddens": [],
    "format_version": 0.4,
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`net` has two objectives and constraints; `far` has one, and keeps no constraint."""
    file = tmp_path_factory.mktemp("objectives") / "ambs.db"
    engine = open_database(f"sqlite:///{file}")
    common = {"space": SPACE, "resources": {}, "time_limit_seconds": None, "starting_points": []}
    with transaction(engine) as connection:
        bounds = [["latency", "<=", 20.0], ["memory", "<", 4.0]]
        told(connection, "net", {**common, "direction": TWO, "constraints": bounds}, RESULTS)
        told(connection, "far", {**common, "constraints": [["latency", "<", 1.0]]}, RESULTS)
    engine.dispose()
    return file


def said(database: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--db", str(database)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_best_prints_the_front(database: Path) -> None:
    """A line for each choice that a person has, with all objectives."""
    lines = [line.split("\t")[:5] for line in said(database, "best", "-c", "net").splitlines()]
    assert lines == [
        ["campaign", "id", "feasible", "accuracy", "latency"],
        ["net", "2", "yes", "0.8", "12"],
        ["net", "5", "yes", "0.5", "6"],
        ["net", "6", "yes", "0.5", "6"],
    ]
    first = json.loads(said(database, "best", "-c", "net", "--json"))[0]
    assert (first["objectives"], first["feasible"]) == ({"accuracy": 0.8, "latency": 12.0}, "yes")
    assert len(json.loads(said(database, "best", "-c", "net", "--json", "--objective", "latency"))) == 1


def test_the_best_by_an_objective_is_that_of_the_campaigns_that_have_it(database: Path) -> None:
    """Another campaign in the database is no reason to refuse."""
    found = json.loads(said(database, "best", "--objective", "latency", "--json"))
    assert [(one["campaign"], one["objectives"]["latency"]) for one in found] == [("net", 6.0)]
    with pytest.raises(UsageError, match="--objective loss: no such objective"):
        said(database, "best", "--objective", "loss")


def test_an_infeasible_best_is_never_named_without_saying_so(database: Path) -> None:
    """`ambs best`, `ambs status`, and from Python."""
    told_best = said(database, "best", "-c", "far")
    assert "no: latency < 1 is broken: 5" in told_best
    assert "Nothing is known to keep the constraints yet: this comes nearest." in told_best
    told_status = said(database, "status", "-c", "far")
    assert "0 of 7 results are feasible (latency < 1)" in told_status
    assert "latency < 1 is broken: 5" in told_status
    with open_campaign(database, "far") as campaign:
        assert campaign.status().best is None
        with pytest.warns(UserWarning, match="is known to keep the constraints: latency < 1 is broken"):
            assert campaign.best().metrics["latency"] == 5.0


def test_status_tells_of_each_objective_and_of_missing_metrics(database: Path) -> None:
    """A metric whose name was mistyped shows at once."""
    words = said(database, "status", "-c", "net")
    assert "best accuracy 0.8 (evaluation 2), latency 6 (evaluation 5); 3 on the front" in words
    assert "4 of 7 results are feasible" in words
    assert "of 1 it is unknown: a metric is missing" in words
    goals = json.loads(said(database, "status", "-c", "net", "--json"))["campaigns"][0]["goals"]
    assert (goals["front"], goals["feasible"]) == (3, {"yes": 4, "no": 2, "unknown": 1})


def test_a_plan_states_every_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run is read to see what the search will be after, which is more than one direction."""
    monkeypatch.chdir(tmp_path)
    goals = 'direction={"accuracy": "maximize", "seconds": "minimize"}, constraints={"mb": "< 40"}'
    made = f'Problem(name="n", space={{"lr": (0.0, 1.0)}}, objective=Command(["true"]), {goals})'
    text = f"from ambs_hpc import Command, Problem\nproblem = {made}\n"
    (tmp_path / "problem.py").write_text(text)
    command = ["run", "problem.py", "--dry-run", "--no-check", "-o", "kappa=2"]
    plan = json.loads(CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False).stdout)
    assert plan["direction"] == {"accuracy": "maximize", "seconds": "minimize"}
    assert (plan["constraints"], plan["options"]) == (["mb < 40"], {"kappa": 2})
    said = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert "direction: accuracy=maximize seconds=minimize\nconstraints: mb < 40\n" in said


def test_python_gives_the_front(database: Path) -> None:
    """Or one evaluation, by one objective."""
    with open_campaign(database, "net") as campaign:
        assert [row.ordinal for row in campaign.best()] == [1, 4, 5]
        assert campaign.best("latency").ordinal == 4


def test_show_says_what_is_broken(database: Path) -> None:
    """Of a single evaluation, too."""
    assert "not feasible   latency <= 20 is broken: 30" in said(database, "show", "1")
    why = said(database, "why", "1")
    assert "result: accuracy 0.9, latency 30" in why
    assert "not feasible: latency <= 20 is broken: 30" in why
    assert why.splitlines()[-3:][0] == "result: accuracy 0.9, latency 30"  # no prediction: nothing follows


def test_why_says_how_a_result_stands_to_the_front(database: Path) -> None:
    """A person looks for an evaluation in vain in `ambs best`, and wants to know what is better."""
    assert "  on the front, with 2 others: no result is as good in all" in said(database, "why", "2")
    dominated = said(database, "why", "3")
    assert "  not on the front: evaluation 2 dominates it (accuracy 0.8, latency 12)" in dominated
    found = json.loads(said(database, "why", "3", "--json"))["front"]
    assert found == {"size": 3, "dominating_id": 2, "values": {"accuracy": 0.8, "latency": 12.0}}


def test_a_proposal_by_the_models_of_several_objectives_names_them() -> None:
    """The model of the objective would be another one, and its number that of nobody knows what."""
    goals = Goals(TWO, (Constraint("memory", "<", 4.0),))
    assert _kind_words("model", goals) == (
        "the models of accuracy and latency found it the most promising addition to the front "
        "within the constraints of then"
    )
    assert predicted_what(goals) == "predicted accuracy"


def test_figures_and_reports_of_several_objectives(database: Path, tmp_path: Path) -> None:
    """The front is drawn, one objective against time on request, and the page names both."""
    said(database, "plot", "-c", "net", "-o", str(tmp_path / "front.png"))
    said(database, "plot", "-c", "net", "--objective", "latency", "-o", str(tmp_path / "latency.png"))
    assert (tmp_path / "front.png").read_bytes() != (tmp_path / "latency.png").read_bytes()
    said(database, "report", "-c", "net", "-o", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()
    assert '<h2 id="h-front">Objectives and constraints</h2>' in page
    assert "4 of 7 results are feasible: latency &lt;= 20 and memory &lt; 4." in page
    assert page.count("<circle class=mark") == 3
    aim = "maximize accuracy, minimize latency within latency &lt;= 20, memory &lt; 4; as of"
    assert aim in page


def test_importance_and_compare_take_one_objective(database: Path) -> None:
    """The first one where none is named, and it is said."""
    with pytest.raises(UsageError, match="at least 10 results and there are 7"):
        said(database, "importance", "-c", "net", "--objective", "latency")
    with pytest.raises(UsageError, match="--objective loss: no such objective"):
        said(database, "importance", "-c", "net", "--objective", "loss")
    told_all = json.loads(said(database, "compare", "net", "--objective", "latency", "--json"))
    (group,) = told_all["groups"]
    assert (told_all["direction"], group["best"]) == ("minimize", [6.0])  # not the 5 whose memory is unknown
    assert (group["failures"], group["infeasible"]) == ([0], [3])  # what has a result did not fail
    assert told_all["differences"] == [
        "net has several objectives (accuracy, latency): one is compared, see --objective."
    ]


def test_campaigns_are_compared_by_what_all_their_objectives_come_to(database: Path) -> None:
    """Beyond the worst feasible accuracy 0.5 and latency 15 lies 0.3 x 3; nothing else adds to it."""
    found = json.loads(said(database, "compare", "net", "--objective", "hypervolume", "--json"))
    (group,) = found["groups"]
    assert (found["direction"], group["infeasible"], group["failures"]) == ("maximize", [3], [0])
    assert group["best"] == [pytest.approx(0.3 * 3.0)]
    assert found["differences"] == [
        "hypervolume of what is better than the worst of all these results: accuracy 0.5, latency 15."
    ]
    with pytest.raises(UsageError, match="these campaigns have different objectives: net: accuracy, latency"):
        said(database, "compare", "--objective", "hypervolume")
