"""What is shown of a campaign while it runs must not end it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from ambs_hpc.api.best_tracker import BestTracker
from ambs_hpc.campaign import Progress
from ambs_hpc.cli.commands.show import told_line
from ambs_hpc.cli.shared.summary import Summary, summary_of, write_summary
from ambs_hpc.queue import EvaluationRow, claim, create_campaign, fail, open_database, transaction
from ambs_hpc.states import FailureKind, Move
from tests.queue import stock
from tests.queue.stock import CAMPAIGN

NOBODY = "postgresql+psycopg2://nobody@127.0.0.1:1/nothing"


def test_best_so_far_waits_for_the_database(tmp_path: Path) -> None:
    """It may go away between the search's step, which waits for it, and the line that tells the best."""
    with transaction(open_database(f"sqlite:///{tmp_path}/ambs.db")) as connection:
        campaign = create_campaign(connection, CAMPAIGN)
    assert BestTracker(create_engine(NOBODY), campaign).value(Progress({}, 0, None)) is None


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        ("", ""),
        (
            "3 x ERROR: bad \x1b[2J",
            "Failed: 3 x ERROR: bad \\x1b[2J (under which configurations: ambs why failed --campaign p)",
        ),
    ],
)
def test_end_of_a_run_leads_to_what_failed(
    failed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A beginner sees a number of failures and asks why; words of an evaluation control no terminal."""
    write_summary(Summary("p", "minimize", "d", {"FAILED": 3}, None, None, failed=failed), as_json=False)
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("Failed")] == [
        line for line in [told] if line
    ]


def test_all_kinds_of_failures_are_told_with_numbers_that_agree(any_engine: Engine) -> None:
    """The commonest alone hid three others, and `# s` looked like a mistake."""
    said = [(FailureKind.TIMEOUT, "ran past its time limit of 60 s")] * 4
    said += [(FailureKind.ERROR, f"ValueError: {number} is negative") for number in range(3)]
    said += [(FailureKind.ERROR, "KeyError"), (FailureKind.OUT_OF_MEMORY, "")]
    said += [(FailureKind.ERROR, "OSError")]
    with transaction(any_engine) as connection:
        campaign = stock.campaign(
            connection, max_failures=1, problem={**CAMPAIGN.problem, "starting_points": []}
        )
        stock.evaluations(connection, campaign.id, len(said))
        launcher = stock.launcher(connection)
        claims = claim(connection, launcher, len(said))
        failed = [stock.failure(one, *how) for one, how in zip(claims, said, strict=True)]
        fail(connection, launcher, failed)
    assert summary_of(any_engine, campaign).failed == (
        "4 x TIMEOUT: ran past its time limit of 60 s; 3 x ERROR, such as: ValueError: 2 is negative; "
        "1 x ERROR: OSError; 2 more of rarer kinds"
    )


def test_event_of_a_failure_has_what_was_raised() -> None:
    """Of a traceback the first of its last lines is a row of carets."""
    words = "    ^^^^^^^^\n  File x, line 3\nValueError: nu is infeasible\n"
    assert told_line(Move.FAIL, words) == "ValueError: nu is infeasible"
    assert told_line(Move.RELEASE, "walltime\nmore") == "walltime"
    assert told_line(Move.CLAIM, None) == ""


def test_end_of_a_run_names_its_database_without_options(capsys: pytest.CaptureFixture[str]) -> None:
    """The URL of a private server has four of them, two with long paths, in front of what to type next."""
    url = "postgresql+psycopg2://ambs@h:1/ambs?passfile=%2Fa%2Fpgpass&sslmode=verify-ca"
    best = EvaluationRow(**{one.name: None for one in fields(EvaluationRow)})  # type: ignore[arg-type]
    leading = replace(best, id=3, configuration={"x": 1}, objective=0.5)
    write_summary(Summary("p", "minimize", url, {"DONE": 1}, leading, None), as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "In postgresql+psycopg2://ambs@h:1/ambs: ambs list --campaign p, ambs show 3, "
        "ambs report --campaign p"
    )


def test_the_best_of_several_objectives_is_called_that_by_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of one objective it is the best, however much there is to say of its constraints."""
    best = EvaluationRow(**{one.name: None for one in fields(EvaluationRow)})  # type: ignore[arg-type]
    best = replace(best, id=3, objective=0.5, configuration={"lr": 0.1})
    two = Summary("p", "minimize", "d", {"DONE": 3}, best, None, goals=("x",), objectives=("a", "b"))
    write_summary(two, as_json=False)
    write_summary(replace(two, goals=("x", "y"), objectives=("a",)), as_json=False)
    write_summary(replace(two, is_kept=False, note="memory < 4 is broken: 9"), as_json=False)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("Best", "Nearest"))]
    assert told == [
        "Best by the first objective (minimized): 0.5, evaluation 3",
        "Best objective (minimized): 0.5, evaluation 3",
        "Nearest to keeping the constraints: a (minimized): 0.5, evaluation 3",
    ]
