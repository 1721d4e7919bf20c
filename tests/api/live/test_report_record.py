"""A report tells what is learned of a campaign, and of a strange one what is stored."""

from __future__ import annotations

from sqlalchemy import Engine

from ambs_hpc.api.live.report_record import report_record
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.queue import claim, complete, enqueue, fail, list_campaigns, open_database, reading, transaction
from ambs_hpc.records import Campaign, NewEvaluation, Proposal, Resources
from ambs_hpc.states import FailureKind
from tests.queue import stock


def ran(engine: Engine, problem: dict[str, object]) -> None:
    """Sixty evaluations: large batches fail, and the objective is the learning rate."""
    with transaction(engine) as connection:
        made = stock.campaign(connection, problem=problem, max_failures=1)
        chosen = [{"lr": (number % 10 + 1) / 10, "batch": 64 * (number % 6 + 1)} for number in range(60)]
        new = [NewEvaluation(n, Proposal(one, "design"), Resources()) for n, one in enumerate(chosen)]
        enqueue(connection, made.id, new)
        launcher_id = stock.launcher(connection, slots=60)
        taken = claim(connection, launcher_id, 60)
        bad = [one for one in taken if one.configuration["batch"] > 256]
        good = [one for one in taken if one.configuration["batch"] <= 256]
        fail(connection, launcher_id, [stock.failure(one, FailureKind.OUT_OF_MEMORY, "oom") for one in bad])
        complete(connection, launcher_id, [stock.success(one, one.configuration["lr"]) for one in good])


def the_campaign(engine: Engine) -> Campaign:
    with reading(engine) as connection:
        (found,) = list_campaigns(connection)
    return found


def test_the_planted_cause_and_the_parameter_that_matters_are_told(sqlite_url: str) -> None:
    """Whoever opens the page sees at once what to change."""
    engine = open_database(sqlite_url)
    space = build_space({"lr": (0.01, 1.0), "batch": (64, 384)})
    ran(engine, {"space": space_to_json(space), "starting_points": []})
    found = report_record(engine, the_campaign(engine))
    (cause,) = found.explained
    assert (cause.kind, cause.signature) == (FailureKind.OUT_OF_MEMORY, "oom")
    assert [(words, failed, of) for words, failed, of, *_ in cause.rules] == [("batch >= 320", 20, 20)]
    assert found.importance is not None
    assert found.importance.parameters[0].names == ("lr",)
    assert found.importance.parameters[0].share > 0.8


def test_a_campaign_without_a_space_that_can_be_built_is_shown(sqlite_url: str) -> None:
    """A program may have stored it; its numbers are its numbers."""
    engine = open_database(sqlite_url)
    ran(engine, {})
    found = report_record(engine, the_campaign(engine))
    assert (found.importance, found.explained, len(found.evaluations)) == (None, (), 60)
