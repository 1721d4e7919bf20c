"""What is particular to Optuna's samplers; the rules of all methods are in the contract suite."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import Searcher, create_searcher
from ambs_hpc.search.methods.optuna_adapter import OptunaSearcher
from tests.search.spaces import PLAIN, plain_objective, rich_objective, rich_space

LEARNING = ("optuna:CmaEs", "optuna:NSGAII", "optuna:NSGAIII", "optuna:QMC")


def told(proposals: list[Proposal]) -> list[Observation]:
    return [Observation(p.configuration, plain_objective(p.configuration)) for p in proposals]


def trials(searcher: Searcher) -> list:
    assert isinstance(searcher, OptunaSearcher)
    searcher._study_strategy.follow(searcher._history)
    return searcher._study_strategy._study.get_trials()


def states(searcher: Searcher) -> list[str]:
    return [trial.state.name for trial in trials(searcher)]


def advanced(method: str, rounds: int, **options: object) -> tuple[Searcher, list[Proposal]]:
    searcher, proposals = create_searcher(PLAIN, method, seed=5, **options), []
    for _ in range(rounds):
        asked = searcher.ask(5)
        proposals += asked
        searcher.tell(told(asked))
    return searcher, proposals


@pytest.mark.parametrize(("short", "full"), [("TPE", "TPESampler"), ("CmaEs", "CmaEsSampler")])
def test_the_short_name_is_the_long_name(short: str, full: str) -> None:
    """People know either."""
    assert advanced("optuna:" + short, 4)[1] == advanced("optuna:" + full, 4)[1]


@pytest.mark.parametrize("method", ["optuna:TPE", "optuna:Random", *LEARNING])
def test_the_seed_alone_decides(method: str) -> None:
    """Same seed, same results, same proposals; another seed, others."""
    first, again = advanced(method, 6)[1], advanced(method, 6)[1]
    assert first == again
    other = create_searcher(PLAIN, method, seed=6).ask(5)
    assert [p.configuration for p in other] != [p.configuration for p in first[:5]]


def test_pending_proposals_run_and_failures_fail() -> None:
    """Optuna sees what the queue sees."""
    searcher = create_searcher(PLAIN, "optuna:TPE")
    asked = searcher.ask(4)
    searcher.tell([Observation(asked[0].configuration, 2.5), Observation(asked[1].configuration, None)])
    searcher.discard([asked[2].configuration])
    assert states(searcher) == ["COMPLETE", "FAIL", "FAIL", "RUNNING"]
    assert trials(searcher)[0].value == 2.5


def test_maximising_is_told_as_minimising() -> None:
    """One direction inside, as for the other methods."""
    searcher = create_searcher(PLAIN, "optuna:TPE", "maximize")
    searcher.tell([Observation(searcher.ask(1)[0].configuration, 2.5)])
    assert trials(searcher)[0].value == -2.5


def test_only_active_parameters_are_suggested() -> None:
    """A value that nobody used would mislead the sampler."""
    searcher = create_searcher(rich_space(), "optuna:TPE", seed=2)
    searcher.ask(30)
    for trial in trials(searcher):
        assert ("rate" in trial.params) == (trial.params["optimizer"] != 2)
    assert "data" not in trials(searcher)[0].params


def test_a_late_result_of_a_discarded_proposal_is_learned() -> None:
    """A cancelled evaluation that had ended after all."""
    searcher = create_searcher(PLAIN, "optuna:TPE")
    asked = searcher.ask(1)
    searcher.discard([asked[0].configuration])
    assert states(searcher) == ["FAIL"]
    searcher.tell(told(asked))
    assert states(searcher) == ["FAIL", "COMPLETE"]


def test_a_rerun_evaluation_replaces_its_trial() -> None:
    """The first result leaves no trace, and the order of the trials stays."""
    searcher = create_searcher(PLAIN, "optuna:TPE")
    asked = searcher.ask(3)
    searcher.tell([Observation(asked[0].configuration, None), Observation(asked[1].configuration, 1.0)])
    assert states(searcher) == ["FAIL", "COMPLETE", "RUNNING"]
    searcher.tell([Observation(asked[0].configuration, 0.5)])
    assert [(t.state.name, t.value) for t in trials(searcher)] == [
        ("COMPLETE", 0.5),
        ("COMPLETE", 1.0),
        ("RUNNING", None),
    ]


@pytest.mark.parametrize("method", ["optuna:TPE", *LEARNING])
def test_a_restored_search_has_all_trials(method: str) -> None:
    """Results, failures and pending ones, and none is proposed again."""
    searcher, proposals = advanced(method, 6)
    restored = create_searcher(PLAIN, method, seed=5)
    observations = [Observation(proposals[0].configuration, None), *told(proposals[1:20])]
    restored.restore(proposals, observations)
    found = states(restored)
    assert (found.count("COMPLETE"), found.count("FAIL"), found.count("RUNNING")) == (19, 1, 10)
    known = [dict(p.configuration) for p in proposals]
    assert all(dict(p.configuration) not in known for p in restored.ask(10))
    assert searcher is not restored


def test_a_restored_population_goes_on_where_it_was() -> None:
    """Forgetting it would throw the search back to its beginning."""
    searcher, proposals = advanced("optuna:CmaEs", 40)
    fresh, restored = (create_searcher(PLAIN, "optuna:CmaEs", seed=9) for _ in range(2))
    fresh.tell(told(fresh.ask(1)))
    restored.restore(proposals, told(proposals))
    straight, again, new = (
        np.median([plain_objective({**p.configuration, "c": "b"}) for p in one.ask(30)])
        for one in (searcher, restored, fresh)
    )
    assert straight < 0.05 * new
    assert again < 0.05 * new


def test_starting_points_are_learned_by_a_population() -> None:
    """They were not the sampler's own, and count all the same."""
    point = {"x": 0.7, "y": 0.1, "k": 20, "c": "b", "z": "fixed"}
    searcher = create_searcher(PLAIN, "optuna:NSGAII", starting_points=[point])
    searcher.tell(told(searcher.ask(3)))
    assert next(t.value for t in trials(searcher) if t.value is not None) == pytest.approx(0.0, abs=1e-9)


def test_tpe_beats_random_search() -> None:
    """Or else the results do not reach the sampler: medians over five seeds on a bowl."""

    def best_of(method: str, seed: int) -> float:
        searcher = create_searcher(PLAIN, method, seed=seed)
        best = float("inf")
        for _ in range(20):
            asked = told(searcher.ask(5))
            searcher.tell(asked)
            best = min(best, *(float(one.objective or 0.0) for one in asked))
        return best

    model, chance = (
        np.median([best_of(name, seed) for seed in range(5)]) for name in ("optuna:TPE", "random")
    )
    assert model < 0.7 * chance


def test_a_forbidden_sample_is_asked_again_and_never_learned() -> None:
    """It counts as a failure of nobody's evaluation."""
    searcher = create_searcher(rich_space(), "optuna:TPE", seed=1)
    asked = searcher.ask(40)
    searcher.tell([Observation(p.configuration, rich_objective(p.configuration)) for p in asked])
    found = states(searcher)
    assert found.count("COMPLETE") == 40
    assert found.count("FAIL") > 0
    assert "RUNNING" not in found


def test_options_reach_the_constructor() -> None:
    """As numbers from Python, as text from a command line."""
    numbers = advanced("optuna:TPE", 4, n_startup_trials=3, multivariate=True)[1]
    texts = advanced("optuna:TPE", 4, n_startup_trials="3", multivariate="true")[1]
    assert numbers == texts
    assert [p.kind for p in numbers[:6]] == ["design"] * 5 + ["model"]


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("optuna:Tpe", {}, "Did you mean 'optuna:TPE'"),
        ("optuna:tpe", {}, "Did you mean 'optuna:TPE'"),
        ("optuna:GridSampler", {}, "optuna:CmaEs"),
        ("optuna:TPE", {"n_startup": 3}, "Did you mean 'n_startup_trials'.*n_ei_candidates"),
        ("optuna:CmaEs", {"x0": "x"}, "no option 'x0'"),
        ("optuna:TPE", {"gamma": "x"}, "no option 'gamma'"),
        ("optuna:Random", {"n_startup_trials": 3}, "It has none"),
        ("optuna:TPE", {"n_startup_trials": "many"}, "of kind int"),
        ("optuna:TPE", {"n_startup_trials": True}, "of kind int"),
        ("optuna:NSGAII", {"population_size": 1}, "Optuna refuses"),
        ("optunna", {}, "optuna:<Sampler>"),
    ],
)
def test_what_does_not_exist_is_refused_at_once(method: str, options: dict, words: str) -> None:
    """Before anything is spent, with what is accepted."""
    with pytest.raises(UsageError, match=words):
        create_searcher(PLAIN, method, **options)


def test_a_missing_optuna_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.setitem(sys.modules, "optuna.samplers", None)
    with pytest.raises(UsageError, match=r"needs optuna.*python -m pip install 'ambs-hpc\[optuna\]'"):
        create_searcher(PLAIN, "optuna:TPE")


@pytest.mark.parametrize(("method", "library"), [("optuna:GP", "torch"), ("optuna:CmaEs", "cmaes")])
def test_a_missing_library_of_a_sampler_says_how_to_get_it(
    method: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna itself would fail at the first proposal."""
    monkeypatch.setattr("ambs_hpc.search.methods.optuna_adapter.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=f"needs {library}.*python -m pip install {library}"):
        create_searcher(PLAIN, method)


def test_optuna_stays_quiet(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    """A campaign's log is its own."""
    advanced("optuna:CmaEs", 3)
    advanced("optuna:TPE", 3, multivariate=True)
    assert capfd.readouterr().err == ""
    assert not recwarn.list
