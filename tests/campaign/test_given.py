"""What people give to a campaign reaches its search, whatever that does meanwhile, and outlives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from ambs_hpc.campaign import SearchLoop
from ambs_hpc.campaign.added_points import add_points, fit_points
from ambs_hpc.campaign.told_results import fit_results, tell_results
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import ProblemError, UsageError
from ambs_hpc.observations import RawObservation, RawPoint, RowEnding
from ambs_hpc.problem import Problem
from ambs_hpc.queue import (
    claim,
    complete,
    counts,
    import_results,
    list_evaluations,
    proposals_of,
    reading,
    transaction,
)
from ambs_hpc.records import IMPORTED, MANUAL, Campaign, Claim, Configuration, ImportedResult
from ambs_hpc.states import FailureKind, State
from tests.queue import stock

PROBLEM = Problem(name="digits", space={"lr": (0.0, 1.0), "layers": (1, 9)}, objective="model:train")
BUDGET = 22
OPTIONS = {"ambs": {"trees": 3, "candidates": 40, "design_size": 4}, "optuna:TPE": {"n_startup_trials": 4}}


def campaign_of(engine: Engine, method: str = "ambs", budget: int = BUDGET, **changes: object) -> Campaign:
    problem = {key: value for key, value in PROBLEM.to_json().items() if key != "name"}
    with transaction(engine) as connection:
        return stock.campaign(
            connection,
            problem=problem,
            method=method,
            method_options=OPTIONS.get(method, {}),
            max_evaluations=budget,
            **changes,
        )


def raw(lr: object, objective: float | None, layers: object = 2, **fields: object) -> RawObservation:
    ending = RowEnding.FAILED if objective is None else RowEnding.DONE
    words = "" if ending is RowEnding.DONE else "F_oom"
    place = f"old.csv, line {lr}"
    return RawObservation(place, {"lr": lr, "layers": layers}, ending, objective, words, **fields)  # type: ignore[arg-type]


def tell(engine: Engine, campaign: Campaign, rows: Sequence[RawObservation]) -> int:
    return len(tell_results(engine, campaign, fit_results(campaign.definition, rows).results))


def finish(engine: Engine, number: int) -> list[Configuration]:
    """Run `number` evaluations; their configurations."""
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
        claims = claim(connection, launcher_id, number)
        done = [stock.success(one, abs(float(one.configuration["lr"]) - 0.3)) for one in claims]
        complete(connection, launcher_id, done)
    return [one.configuration for one in claims]


POINT: Configuration = {"layers": 3, "lr": 0.31}


def hold(engine: Engine) -> Claim:
    """An evaluation that runs for a long time."""
    with transaction(engine) as connection:
        (one,) = claim(connection, stock.launcher(connection), 1)
    return one


def live(engine: Engine, campaign: Campaign, restarted_at: Sequence[int] = ()) -> list[Configuration]:
    """A campaign that is told, and added to, while it runs; what its search proposed."""
    loop = SearchLoop(engine, campaign, 3, ManualClock())
    loop.open()
    held: list[Claim] = []
    for step in range(30):
        if step in restarted_at:
            loop.close()
            loop = SearchLoop(engine, campaign, 3, ManualClock())
            loop.open()
        if step == 2:
            tell(engine, campaign, [raw(0.28, 0.02), raw(0.7, None), raw(0.9, 0.6)])
        if step in (3, 5):
            point = {**POINT, "layers": step}
            add_points(engine, campaign, [point, {**point, "lr": 0.77}], again=False)
            held.append(hold(engine))  # the search lives with it while it runs
        progress = loop.step()
        finish(engine, 2)
        if step == 9:
            with transaction(engine) as connection:
                complete(connection, stock.launcher(connection), stock.successes(held))
        if progress.is_complete:
            break
    assert progress.is_complete
    loop.close()
    with reading(engine) as connection:
        rows = proposals_of(connection, campaign.id)
    assert [row.ordinal for row in rows] == [*range(-7, 0), *range(BUDGET)]
    assert sum(row.proposal.kind == MANUAL for row in rows) == 4
    return [row.proposal.configuration for row in rows if row.ordinal >= 0]


@pytest.mark.parametrize("method", ["ambs", "optuna:TPE"])
def test_a_restart_changes_no_proposal(any_engine: Engine, method: str) -> None:
    """Whether the search lived when somebody gave something must not matter: it is in no row."""
    lived = live(any_engine, campaign_of(any_engine, method, name="lived"))
    assert live(any_engine, campaign_of(any_engine, method, name="a"), [3, 5, 8]) == lived
    assert live(any_engine, campaign_of(any_engine, method, name="b"), range(1, 20)) == lived


def test_a_campaign_ends_when_its_own_and_the_added_have_ended(any_engine: Engine) -> None:
    """Imported results spend no budget, and added evaluations come on top of it."""
    campaign = campaign_of(any_engine, "random", budget=3)
    assert tell(any_engine, campaign, [raw(0.1 * n, 1.0) for n in range(1, 8)]) == 7
    loop = SearchLoop(any_engine, campaign, 8, ManualClock())
    loop.open()
    assert loop.step().proposed == 3
    add_points(any_engine, campaign, [POINT], again=False)
    assert finish(any_engine, 1) == [POINT]  # before those that were there first
    finish(any_engine, 2)
    loop.step()
    assert not loop.step().is_complete
    finish(any_engine, 1)
    progress = loop.step()
    assert (progress.is_complete, progress.budget, progress.ended, progress.proposed) == (True, 4, 4, 4)
    with reading(any_engine) as connection:
        assert counts(connection, campaign.id)[State.DONE] == 4


def test_telling_twice_stores_once(any_engine: Engine) -> None:
    """A command that may have been interrupted is repeated, and tables grow."""
    campaign = campaign_of(any_engine)
    rows = [raw(0.1, 1.0), raw("0.1", 1.0), raw(0.2, None), raw(0.1, 2.0)]
    assert tell(any_engine, campaign, rows) == 3  # the last one is another measurement
    assert tell(any_engine, campaign, [*rows, raw(0.3, 3.0)]) == 1
    assert tell(any_engine, campaign, [raw(0.3, None)]) == 0  # that it failed once more says nothing


def test_what_the_campaign_measured_itself_stands(any_engine: Engine) -> None:
    """Elsewhere is another machine, another version; and the own table comes back by `ambs export`."""
    campaign = campaign_of(any_engine, "random")
    loop = SearchLoop(any_engine, campaign, 3, ManualClock())
    loop.open()
    loop.step()
    (done,) = finish(any_engine, 1)
    with reading(any_engine) as connection:
        waiting = list_evaluations(connection, campaign.id, State.READY)[0].configuration
    same = [raw(one["lr"], 9.0, one["layers"]) for one in (done, waiting)]
    assert tell(any_engine, campaign, same) == 1
    with reading(any_engine) as connection:
        (told,) = [row for row in list_evaluations(connection, campaign.id) if row.proposal_kind == IMPORTED]
    assert told.configuration == waiting


def test_rows_are_refused_one_by_one_and_all_named(any_engine: Engine) -> None:
    """A person corrects a table once, not once a row."""
    definition = campaign_of(any_engine).definition
    rows = [raw("2", 1.0), raw(0.2, 1.0, "2.5"), raw("0.3", 0.5), RawObservation("x", {}, RowEnding.SKIPPED)]
    fitted = fit_results(definition, [*rows, RawObservation("y", {}, RowEnding.REFUSED, words="no row")])
    assert fitted.refused == (
        "old.csv, line 2: lr: is '2'. Accepted: a number from 0.0 to 1.0",
        "old.csv, line 0.2: layers: is '2.5'. Accepted: a whole number from 1 to 9",
        "y: no row",
    )
    alike = fit_results(definition, [*rows, raw("3", 1.0), raw("9", 1.0)]).refused_alike
    assert alike == [(fitted.refused[0], 3), (fitted.refused[1], 1)]
    assert fitted.skipped == (("x", ""),)
    assert fitted.results == (ImportedResult({"lr": 0.3, "layers": 2}, 0.5, source="old.csv, line 0.3"),)


def test_a_source_that_means_something_else_is_refused_whole(any_engine: Engine) -> None:
    """A sign, a column or a campaign that is taken for another one spoils a search without a word."""
    definition = campaign_of(any_engine).definition
    with pytest.raises(UsageError, match=r"were maximized, campaign 'digits' is minimized\. Give --negate"):
        fit_results(definition, [raw(0.1, 0.9, direction="maximize")])
    negated = fit_results(definition, [raw(0.1, 0.9, direction="maximize"), raw(0.2, None)], negate=True)
    assert [one.objective for one in negated.results] == [-0.9, None]
    assert negated.results[1].failure is FailureKind.ERROR
    with pytest.raises(UsageError, match=r"optimizer: no parameter of campaign 'digits'\. Give --map optim"):
        fit_results(definition, [RawObservation("x", {"optimizer": "sgd"}, RowEnding.DONE, 1.0)])
    with pytest.raises(UsageError, match=r"No row has a value for layers\. Say which column it is: --map"):
        fit_results(
            definition, [RawObservation("x", {"lr": 0.1, "n": 2}, RowEnding.DONE, 1.0, is_exact=False)]
        )
    with pytest.raises(UsageError, match=r"--ignore lr: it is a parameter of campaign"):
        fit_results(definition, [raw(0.1, 1.0)], ignored=["lr"])
    with pytest.raises(UsageError, match=r"several campaigns \(a, b\)"):
        fit_results(definition, [raw(0.1, 1.0, campaign="a"), raw(0.2, 1.0, campaign="b")])
    table = RawObservation("x", {"lr": 0.1, "layers": 1, "day": "2"}, RowEnding.DONE, 1.0, is_exact=False)
    assert fit_results(definition, [table]).ignored == ("day",)


def test_a_table_tells_the_metrics_that_have_bounds_by_their_names(any_engine: Engine) -> None:
    """Without them nothing that is told could ever be known as feasible; a parameter of that name is none."""
    definition = campaign_of(any_engine).definition
    bounds = [["latency", "<=", 20.0], ["lr", "<", 1.0]]
    definition = replace(definition, problem={**definition.problem, "constraints": bounds})
    values = {"lr": 0.1, "layers": 1, "latency": "12.5", "day": "2"}
    fitted = fit_results(
        definition, [RawObservation("x", values, RowEnding.DONE, 1.0, metrics={"acc": 1}, is_exact=False)]
    )
    assert fitted.results[0].metrics == {"acc": 1, "latency": 12.5}
    assert fitted.ignored == ("day",)


def test_known_points_are_said_and_not_doubled(any_engine: Engine) -> None:
    """A repeated command must not cost a second evaluation, unless a person wants to see the noise."""
    campaign = campaign_of(any_engine)
    first = add_points(any_engine, campaign, [POINT, {**POINT, "lr": 0.310}], again=False)
    assert ([one for _, one in first.added], first.known) == ([POINT], ())
    second = add_points(any_engine, campaign, [POINT], again=False)
    assert (second.added, [row.id for row in second.known]) == ((), [first.added[0][0]])
    third = add_points(any_engine, campaign, [POINT], again=True)
    assert len(third.added) == 1
    with reading(any_engine) as connection:
        assert {row.priority for row in list_evaluations(connection, campaign.id)} == {1000}


def test_wrong_points_are_refused_by_name(any_engine: Engine) -> None:
    """A misspelt parameter would otherwise run with its default."""
    definition = campaign_of(any_engine).definition
    with pytest.raises(ProblemError, match=r"--set: lrr: is no parameter of the space\. Did you mean 'lr'"):
        fit_points(definition, [RawPoint("--set", {"lrr": "1"})], with_defaults=True)
    with pytest.raises(UsageError, match=r"--set: layers: no value.*--defaults: --set layers=5"):
        fit_points(definition, [RawPoint("--set", {"lr": "1"})], with_defaults=False)
    point = RawPoint("--set", {"lr": "1"})
    assert fit_points(definition, [point], with_defaults=True) == [{"layers": 5, "lr": 1.0}]


def test_two_people_who_tell_the_same_tell_it_once(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is faster while the first still looks at what is known."""
    from ambs_hpc.campaign import told_results

    campaign = campaign_of(any_engine)
    looked = told_results.unknown_results

    def slow(rows: object, results: object, definition: object) -> list[ImportedResult]:
        monkeypatch.setattr(told_results, "unknown_results", looked)
        new = looked(rows, results, definition)  # type: ignore[arg-type]
        with transaction(any_engine) as connection:
            import_results(connection, campaign.id, new)
        return new

    monkeypatch.setattr(told_results, "unknown_results", slow)
    assert tell(any_engine, campaign, [raw(0.1, 1.0)]) == 0
    with reading(any_engine) as connection:
        assert len(list_evaluations(connection, campaign.id)) == 1
