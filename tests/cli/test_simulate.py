"""`ambs simulate` prints what it found, draws it, and refuses nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from ambs_hpc.cli.commands.simulate import simulate
from ambs_hpc.errors import UsageError


def invoke(*arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(simulate)
    return CliRunner().invoke(app, [*arguments, "--method", "random", "--minutes", "3"])


def test_a_sweep_gives_a_row_a_machine() -> None:
    """Two machines in one command, in the order asked for."""
    result = invoke("--nodes", "2,4", "--slots-per-node", "2", "--load", "constant", "--free-clock", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [one["slots"] for one in found] == [4, 8]
    assert [one["evaluations"] for one in found] == [4 * 2, 8 * 2]
    assert not found[0]["charged"]


def test_run_times_and_starting_costs_are_those_asked_for() -> None:
    """Three minutes hold five evaluations of 30 s that start after half a second each."""
    result = invoke(
        "--nodes", "1", "--run-time", "constant:30", "--start-cost", "500", "--free-clock", "--json"
    )
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert found["evaluations"] == 5
    assert 0.98 < found["utilisation"] < 0.99


def test_a_figure_is_drawn(tmp_path: Path) -> None:
    """The path is told, so that a person finds it."""
    file = tmp_path / "simulated.png"
    result = invoke("--nodes", "2", "--figure", str(file))
    assert result.exit_code == 0, result.output
    assert str(file) in result.stdout
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("nodes", ["0", "a", "8,", "8,-1"])
def test_wrong_machines_are_refused(nodes: str) -> None:
    """The message shows the form that is wanted."""
    result = invoke("--nodes", nodes)
    assert isinstance(result.exception, UsageError)
    assert "128,1024" in str(result.exception)


def test_a_site_gives_slots_and_walltimes() -> None:
    """Cooley has two GPUs a node; a shorter walltime may be asked for, a longer one not."""
    site = ("--site", "cooley", "--nodes", "2")
    result = invoke(*site, "--walltime", "1", "--queue-wait", "1", "--free-clock", "--json")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert found["slots"] == 4
    assert {running for seconds, running in found["busy"] if 70 < seconds < 110} == {0}
    refused = invoke(*site, "--walltime", "100000")
    assert isinstance(refused.exception, UsageError)
    assert "gives at most" in str(refused.exception)


def test_options_of_the_method_are_passed_on() -> None:
    """Random search has none, so it says so."""
    result = invoke("--nodes", "2", "--option", "trees=3")
    assert isinstance(result.exception, UsageError)
    assert "no option 'trees'" in str(result.exception)


def test_a_queue_without_a_site_is_refused() -> None:
    """It would be ignored silently."""
    result = invoke("--queue", "debug")
    assert isinstance(result.exception, UsageError)
    assert "--site" in str(result.exception)


def test_a_fidelity_is_compared_before_anything_is_spent() -> None:
    """What a search with rungs needs for what one without finds in all of its own."""
    plan = ("--fidelity", "epochs:1:9", "--agreement", "1", "--nodes", "4", "--repeats", "2", "--json")
    result = invoke(*plan, "--run-time", "constant:9")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    (machine,) = found["machines"]
    assert found["fidelity"]["maximum"] == 9
    assert machine["slots"] == 4
    assert [one["node_hours"] for one in machine["seeds"]] == [0.2, 0.2]
    assert machine["share"] == pytest.approx(sum(one["with_rungs"] for one in machine["seeds"]) / 0.4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--fidelity", "epochs:1"), "--fidelity epochs:1: give NAME:MINIMUM:MAXIMUM"),
        (("--fidelity", "epochs:1:9", "--agreement", "2"), "--agreement 2: give a number from -1 to 1"),
    ],
)
def test_a_fidelity_of_another_form_is_refused(given: tuple[str, ...], message: str) -> None:
    """With what is accepted, before anything is computed."""
    result = invoke(*given)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_several_objectives_are_answered_by_volume_and_front(tmp_path: Path) -> None:
    """A row a machine, the front below it, a figure; and all of it for a script."""
    file = tmp_path / "front.png"
    result = invoke("--nodes", "4", "--load", "zdt2", "--constraint", "f0 >= 0.2", "--figure", str(file))
    assert result.exit_code == 0, result.output
    assert "node-hours to 50%" in result.stdout and "feasible" in result.stdout
    assert "better than f0 1.1, f1 1.1. The front:" in result.stdout
    assert file.read_bytes().startswith(b"\x89PNG")
    (found,) = json.loads(invoke("--nodes", "4", "--load", "zdt2", "--json").stdout)
    assert found["goals"]["directions"] == {"f0": "minimize", "f1": "minimize"}
    assert [one["share"] for one in found["goals"]["node_hours_to"]] == [0.5, 0.9, 0.99]
    assert all(set(one) == {"f0", "f1"} for one in found["goals"]["front"])


def test_a_fidelity_is_of_one_objective() -> None:
    """Its comparison would be of the first objective alone, and not say so."""
    result = invoke("--load", "zdt1", "--fidelity", "epochs:1:9")
    assert isinstance(result.exception, UsageError)
    assert "one objective without constraints" in str(result.exception)
