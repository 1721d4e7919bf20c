"""A campaign that is revised while it lives goes on as one that was restarted at any moment would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, update

from ambs_hpc.campaign import SearchLoop, plan, revise, searcher_for
from ambs_hpc.campaign.added_points import add_points
from ambs_hpc.campaign.carry_over import carry_over_of
from ambs_hpc.campaign.creation import edited_campaign
from ambs_hpc.campaign.given_rows import GivenRows
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import CampaignConflict
from ambs_hpc.problem import build_space
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import (
    cancel,
    claim,
    complete,
    counts,
    get_campaign,
    import_results,
    list_evaluations,
    pause,
    proposals_of,
    reading,
    revisions_of,
    show_evaluation,
    transaction,
)
from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.records import Campaign, ImportedResult, NewCampaign, Outcome
from ambs_hpc.states import Move, State
from tests.queue import stock

SPACE = {"x": (0.0, 1.0), "n": (1, 9), "kind": ["a", "b"]}
WIDER = {"x": (0.0, 1.0), "n": (1, 9), "kind": ["a", "b", "c"], "rate": (0.0, 0.5)}
SMALL = {"trees": 4, "candidates": 60, "design_size": 5}


class Story:
    """A campaign, its search, and a launcher that always finishes the oldest evaluations."""

    def __init__(self, engine: Engine, name: str, method: str, *, restarts: bool, slots: int = 4) -> None:
        self.engine, self.restarts, self.slots, self.clock = engine, restarts, slots, ManualClock()
        options = SMALL if method == "ambs" else {}
        problem = stored(SPACE)
        with transaction(engine) as connection:
            made = stock.campaign(
                connection,
                name=name,
                problem=problem,
                method=method,
                method_options=options,
                max_evaluations=99,
            )
            self.launcher_id = stock.launcher(connection)
        self.id = made.id
        self.search = self.opened()

    def opened(self) -> SearchLoop:
        search = SearchLoop(self.engine, self.campaign, self.slots, self.clock)
        search.open()
        return search

    @property
    def campaign(self) -> Campaign:
        with reading(self.engine) as connection:
            return get_campaign(connection, self.id)

    def advance(self, rounds: int, ended: int = 2) -> None:
        """Each round proposes what is missing, and ends the two oldest."""
        for _ in range(rounds):
            if self.restarts:
                self.search.close()
                self.search = self.opened()
            self.search.step()  # a revision is noticed by the first
            self.search.step()
            self.finish(ended)

    def finish(self, number: int) -> None:
        with transaction(self.engine) as connection:
            held = claim(connection, self.launcher_id, number, campaign_ids=[self.id])
            outcomes = [outcome(one, value(one.configuration)) for one in held]
            complete(connection, self.launcher_id, outcomes)

    def revise(self, after: NewCampaign) -> None:
        revise(self.engine, self.campaign, after)

    def edit(self, **edits: str) -> None:
        """`ambs space` with one text for each option."""
        given = {f"--{option}": [text] for option, text in edits.items()}
        self.revise(edited_campaign(self.campaign, given, {}))

    def give(self) -> None:
        """Results of what waits, is done, and is outside; two that are done once more, one cancelled."""
        carry_over = carry_over_of(self.campaign.definition.problem)
        rows = sorted(GivenRows(self.engine, self.id).rows(), key=lambda row: row.ordinal)
        legal = [row for row in rows if carry_over is None or carry_over.carried(row.configuration)]
        waiting = next(row.configuration for row in legal if row.state is State.READY and row.ordinal >= 0)
        done = [row.configuration for row in legal if row.state is State.DONE and row.ordinal >= 0][-2:]
        told = [ImportedResult(one, 9.0) for one in (waiting, {**waiting, "x": 0.05}, *done)]
        with transaction(self.engine) as connection:
            import_results(connection, self.id, told)
        added = add_points(self.engine, self.campaign, done, again=True).added
        with transaction(self.engine) as connection:
            cancel(connection, ids=[added[0][0]])

    def proposals(self) -> list[tuple[int, dict[str, Any], str, float | None]]:
        with reading(self.engine) as connection:
            rows = proposals_of(connection, self.id)
        return [
            (row.ordinal, dict(row.proposal.configuration), row.proposal.kind, row.proposal.mean)
            for row in rows
        ]


def stored(space: Mapping[str, object]) -> dict[str, object]:
    return {
        "space": space_to_json(build_space(space)),
        "resources": {"cores": 1, "memory_gib": 2.0},
        "time_limit_seconds": 60.0,
        "starting_points": [],
    }


def outcome(one: Any, objective: float) -> Outcome:
    return replace(stock.success(one), objective=objective)


def value(configuration: Mapping[str, Any]) -> float:
    kinds = {"a": 0.0, "b": 1.0, "c": -1.0}
    return (
        configuration["x"]
        + 0.1 * configuration["n"]
        + kinds[configuration["kind"]]
        + configuration.get("rate", 0)
    )


def widened(campaign: Campaign) -> NewCampaign:
    """A choice and a parameter more; those without it ran with 0.1."""
    problem = {**campaign.definition.problem, **stored(WIDER), "was": {"rate": 0.1}}
    return replace(campaign.definition, problem=problem)


@pytest.mark.parametrize("method", ["ambs", "sobol"])
def test_a_search_that_lived_through_revisions_proposes_what_a_restarted_one_would(
    any_engine: Engine, method: str
) -> None:
    """It is a function of the rows, given ones too; restarts also come right after a revision's commit."""
    lived = Story(any_engine, "lived", method, restarts=False)
    restarted = Story(any_engine, "restarted", method, restarts=True)
    for story in (lived, restarted):
        story.advance(6)
        story.edit(narrow="x=0.2..0.9", forbid="kind=a,n=3")
        story.advance(1)
        story.give()
        story.advance(2)
        story.revise(widened(story.campaign))
        story.advance(1)
        story.give()
        story.advance(3)
        story.edit(pin="kind=c")
        story.advance(3)
        story.revise(replace(story.campaign.definition, method="random", method_options={}))
        story.advance(2)
    assert lived.proposals() == restarted.proposals()
    assert len(lived.proposals()) > 30
    ordinals = [ordinal for ordinal, *_ in lived.proposals()]
    assert ordinals == list(range(-12, len(ordinals) - 12))
    assert {row[1]["kind"] for row in lived.proposals()[-5:]} == {"c"}


def test_what_fits_is_kept_and_what_waits_outside_is_cancelled(any_engine: Engine) -> None:
    """An allocation must not be spent on what nobody wants to know any more; what runs goes on."""
    story = Story(any_engine, "digits", "sobol", restarts=False, slots=8)
    story.advance(4)
    story.search.step()
    with transaction(any_engine) as connection:
        running = claim(connection, story.launcher_id, 3)
        rows = list_evaluations(connection, story.id)
    after = edited_campaign(story.campaign, {"--narrow": [], "--pin": ["kind=a"]}, {})
    planned = plan(any_engine, story.campaign, after)
    assert story.campaign.revision == 1
    revised = revise(any_engine, story.campaign, after)
    assert revised == replace(planned, campaign=revised.campaign)
    done = [row for row in rows if row.state is State.DONE]
    waiting = [row for row in rows if row.state is State.READY]
    fit = {row.id for row in rows if row.configuration["kind"] == "a"}
    assert revised.effects == {
        "kept": len([row for row in done if row.id in fit]),
        "left": len([row for row in done if row.id not in fit]),
        "waiting": len([row for row in waiting if row.id in fit]),
        "cancelled": len([row for row in waiting if row.id not in fit]),
        "run_on": len([one for one in running if one.id not in fit]),
    }
    assert min(revised.effects.values()) > 0
    with reading(any_engine) as connection:
        states = {row.id: row.state for row in list_evaluations(connection, story.id)}
        cancelled = next(one for one, state in states.items() if state is State.CANCELLED)
        last = show_evaluation(connection, cancelled).events[-1]
        number, stored_effects = [(one.number, one.effects) for one in revisions_of(connection, story.id)][-1]
    assert {states[one.id] for one in running} == {State.RUNNING}
    assert (last.move, last.detail) == (Move.CANCEL, "outside of the campaign's space since revision 2")
    assert (number, stored_effects) == (2, dict(revised.effects))
    story.search.step()
    story.search.step()
    with transaction(any_engine) as connection:
        complete(connection, story.launcher_id, stock.successes(running))
    story.advance(2)
    assert all(row[1]["kind"] == "a" for row in story.proposals()[len(rows) :])
    assert {one.configuration["kind"] for one in story.search._searcher.history} == {"a"}


def test_waiting_evaluations_get_the_parameters_that_were_added(any_engine: Engine) -> None:
    """The new code reads them; what has run keeps the configuration with which it ran."""
    story = Story(any_engine, "digits", "random", restarts=False)
    story.advance(2)
    story.search.step()
    story.revise(widened(story.campaign))
    with reading(any_engine) as connection:
        rows = list_evaluations(connection, story.id)
    rates = {row.state: row.configuration.get("rate") for row in rows}
    assert rates == {State.DONE: None, State.READY: 0.1}


def test_the_second_of_two_people_is_told_of_the_first(any_engine: Engine) -> None:
    """Their changes were made from the same state, and one of them would undo the other's."""
    story = Story(any_engine, "digits", "random", restarts=False)
    before = story.campaign
    revise(any_engine, before, replace(before.definition, max_evaluations=50))
    with pytest.raises(CampaignConflict, match=r"changed a moment ago by .*@.*: max_evaluations 99 -> 50"):
        revise(any_engine, before, replace(before.definition, max_evaluations=60))
    assert story.campaign.definition.max_evaluations == 50
    assert story.campaign.revision == 2


def test_a_live_search_takes_a_raised_budget(any_engine: Engine) -> None:
    """A person raises it from another terminal."""
    story = Story(any_engine, "digits", "random", restarts=False)
    story.revise(replace(story.campaign.definition, max_evaluations=2))
    story.advance(2)
    assert story.search.step().is_complete
    story.revise(replace(story.campaign.definition, max_evaluations=5))
    story.advance(4)
    assert len(story.proposals()) == 5


def test_a_proposal_made_before_a_revision_is_not_stored_after_it(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait outside of the space, with the old limits."""
    story = Story(any_engine, "digits", "random", restarts=False)
    asked = story.search._searcher.ask

    def revised_meanwhile(number: int) -> object:
        proposals = asked(number)
        story.edit(pin="kind=b")
        return proposals

    monkeypatch.setattr(story.search._searcher, "ask", revised_meanwhile)
    story.search.step()
    assert story.proposals() == []
    story.search.step()
    assert {row[1]["kind"] for row in story.proposals()} == {"b"}


def test_starting_points_outside_are_left_out(any_engine: Engine) -> None:
    """The problem file still has them after `ambs space`."""
    story = Story(any_engine, "digits", "random", restarts=False)
    points = [{"x": 0.5, "n": 2, "kind": "a"}, {"x": 0.5, "n": 3, "kind": "b"}]
    problem = {**story.campaign.definition.problem, "starting_points": points}
    story.revise(replace(story.campaign.definition, problem=problem))
    story.edit(narrow="n=3..9")
    first = searcher_for(story.campaign.definition).ask(2)
    assert [one.kind for one in first] == ["start", "design"]
    assert first[0].configuration == points[1]


def test_what_is_paused_outside_is_cancelled_and_counts_for_nothing_that_waits(any_engine: Engine) -> None:
    """A dry run told of -3 waiting evaluations, where it is paused ones that are cancelled."""
    story = Story(any_engine, "digits", "sobol", restarts=False, slots=8)
    story.search.step()
    with transaction(any_engine) as connection:
        held = claim(connection, story.launcher_id, 8)
        mine = evaluation.c.id.in_([one.id for one in held])
        connection.execute(update(evaluation).where(mine).values(paused_rung=1))
        pause(connection, story.launcher_id, [(one.id, one.attempt) for one in held])
    after = edited_campaign(story.campaign, {"--narrow": [], "--pin": ["kind=a"]}, {})
    planned = plan(any_engine, story.campaign, after)
    revised = revise(any_engine, story.campaign, after)
    assert revised == replace(planned, campaign=revised.campaign)
    outside = [one for one in held if one.configuration["kind"] != "a"]
    assert len(outside) <= revised.effects["cancelled"]
    with reading(any_engine) as connection:
        by_state = counts(connection, story.id)
    assert by_state[State.PAUSED] == len(held) - len(outside) > 0
    assert by_state[State.READY] == revised.effects["waiting"] >= 0
