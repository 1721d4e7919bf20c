"""`AmbsSearchCV`: scikit-learn's search, with its evaluations in a queue and in processes of their own."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _check_multimetric_scoring
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state
from sklearn.utils.validation import indexable

from ambs_hpc.api.campaign_driver import Campaign
from ambs_hpc.errors import UsageError
from ambs_hpc.integrations.cross_validation import OBJECTIVE, decoded, write_fit
from ambs_hpc.integrations.search_space import searched_space
from ambs_hpc.problem import Problem
from ambs_hpc.problem.allow_list import allow_list_file
from ambs_hpc.problem.problem_file import LoadedProblem
from ambs_hpc.records import Resources
from ambs_hpc.states import State

LONGEST_WORDS = 300  # of an error that may quote whole arrays
HASH_DIGITS = 12  # of a fit, in the names of its campaign and folder
_IMPORT_IT = "Define it in a module, as my_models.py, and import it from there: other processes need it too"


class AmbsSearchCV(BaseSearchCV):  # type: ignore[misc]  # scikit-learn has no annotations
    """Searches an estimator's parameters by a campaign: model-based, asynchronous, resumable.

    As `RandomizedSearchCV` for those who use it: `cv_results_`, `best_params_`, `best_score_`,
    `best_estimator_`, `predict` and so on. A candidate is one evaluation: all its splits in one process. The
    estimator and the data go to them as a file of the user's own, and never through the database.

    Args:
        estimator: of a class that can be imported, as must be whatever else it holds.
        param_space: as `Problem(space=...)`: (low, high), (low, high, "log"), lists of any values, a
            ConfigSpace.ConfigurationSpace; scipy's uniform, loguniform and randint are taken too.
        n_iter: total number of candidates, those of earlier fits with the same `db` included; >= 1.
        scoring, refit, cv, error_score, return_train_score: as in scikit-learn. With several scorers `refit`
            names the one that the search maximises. error_score="raise" raises when any candidate failed.
        n_jobs: candidates at once; None and -1 take as many as fit on this machine.
        verbose: above 0 shows the progress.
        random_state: seed of the search; None is 0, so that the same fit goes on with the same campaign.
        db: a database, as for `Campaign`. The same estimator, data, splits and space in the same database are
            the same campaign, which goes on where it stopped. None keeps nothing.
        name: of the campaign; None makes one of the estimator's class and the hash of all of these.
        method: of the search; None takes the default.
        resources: what one candidate occupies; None is one core.
        time_limit_seconds: a candidate that takes longer fails.
        runs: folder for the folders of attempts and for the file with estimator and data.

    Attributes:
        campaign_name_: the campaign's name in the database.
        failed_: for each row of `cv_results_`, the error that it ended with; "" for none.
    """

    def __init__(
        self,
        estimator: Any,
        param_space: Any,
        *,
        n_iter: int = 20,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        db: str | os.PathLike[str] | None = None,
        name: str | None = None,
        method: str | None = None,
        resources: Resources | None = None,
        time_limit_seconds: float | None = None,
        runs: str | os.PathLike[str] = "ambs-runs",
    ) -> None:
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_space, self.n_iter, self.random_state = param_space, n_iter, random_state
        self.db, self.name, self.method, self.runs = db, name, method, runs
        self.resources, self.time_limit_seconds = resources, time_limit_seconds

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags  # not in versions that do not call this

        tags = super().__sklearn_tags__()
        own, inner = tags.target_tags, get_tags(self.estimator).target_tags
        own.single_output, own.multi_output = inner.single_output, inner.multi_output
        return tags

    def fit(self, X: Any, y: Any = None, **params: Any) -> AmbsSearchCV:
        """Search, and refit the best candidate on all data.

        Args:
            X: (n, d) array-like, or what the estimator takes.
            y: (n,) or (n, outputs); None for unsupervised estimators.
            params: for the estimator's `fit`; `groups` goes to the splitter.

        Raises:
            UsageError: something cannot be handed to other processes, or an argument is wrong.
            ValueError: no candidate succeeded.
            KeyboardInterrupt: it was stopped; with a `db`, the same fit goes on.
        """
        space, choices = searched_space(self.param_space)
        _refuse_what_nobody_can_import(self.estimator, self.scoring, choices)
        metric, scorers = self._metric_and_scorers()
        X, y = indexable(X, y)
        groups = params.pop("groups", None)
        splits = list(check_cv(self.cv, y, classifier=is_classifier(self.estimator)).split(X, y, groups))
        handed_over = {
            "estimator": clone(self.estimator),
            "X": X,
            "y": y,
            "splits": splits,
            "scoring": self.scoring,
            "return_train_score": self.return_train_score,
            "fit_params": params,
            "metric": metric,
            "choices": choices,
        }
        rows = self._searched(space, handed_over)
        self.n_splits_ = len(splits)
        self._take(rows, choices)
        if self.refit or not self.multimetric_:
            self._select(metric)
        if self.refit:
            self._refit(X, y, params)
        self.scorer_ = scorers
        return self

    def _metric_and_scorers(self) -> tuple[str, Any]:
        """The name of the score that is maximised, and what `score` uses."""
        if self.scoring is None or isinstance(self.scoring, str):
            return "score", check_scoring(self.estimator, self.scoring)
        if callable(self.scoring):
            return self.refit if isinstance(self.refit, str) else "score", self.scoring
        scorers = _check_multimetric_scoring(self.estimator, self.scoring)
        if self.refit not in scorers:
            raise ValueError(
                f"refit: is {self.refit!r}. With several scorers give the name of the one that the search "
                f"maximises: {', '.join(map(repr, scorers))}."
            )
        return self.refit, scorers

    def _searched(self, space: Any, handed_over: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The ended evaluations of the campaign, in the order of their proposals."""
        seed = 0 if self.random_state is None else self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        digest = _hash((dict(handed_over), self.param_space, int(seed), self.method))
        kind = re.sub(r"[^A-Za-z0-9_]", "", type(self.estimator).__name__)
        self.campaign_name_ = self.name or f"{kind}-{digest}"
        with _place(self.db, self.runs) as (db, runs):
            folder = runs / "fits" / digest
            write_fit(folder, handed_over)
            problem = Problem(
                name=self.campaign_name_,
                space=space,
                objective=OBJECTIVE,
                direction="maximize",
                resources=self.resources or Resources(),
                time_limit_seconds=self.time_limit_seconds,
            )
            loaded = LoadedProblem(problem, folder / "a program")
            with Campaign(loaded, db, method=self.method, seed=int(seed), runs=runs) as campaign:
                campaign.run(self.n_iter, slots=self._slots(), progress=bool(self.verbose), check=False)
                rows: list[dict[str, Any]] = campaign.results(as_frame=False)
        return [row for row in rows if row["state"] in (State.DONE.value, State.FAILED.value)]

    def _slots(self) -> int | None:
        if self.n_jobs is None or self.n_jobs == -1:
            return None
        return int(joblib.effective_n_jobs(self.n_jobs))

    def _take(self, rows: Sequence[Mapping[str, Any]], choices: Mapping[str, Mapping[str, object]]) -> None:
        """Make `cv_results_` of the evaluations."""
        errors = [row["error"] or "failed" for row in rows if row["state"] == State.FAILED.value]
        done = [row for row in rows if row["state"] == State.DONE.value]
        if not done or (errors and self.error_score == "raise"):
            words = f"{len(errors)} of {len(rows)} candidates failed"
            raise ValueError(
                f"{words}; the first one with:\n{errors[0]}" if errors else "No candidate ended."
            )
        if errors:
            words = f"{len(errors)} of {len(rows)} candidates failed and score {self.error_score}"
            warnings.warn(f"{words}; the first one with:\n{errors[0]}", FitFailedWarning, stacklevel=3)
        scores = [name.removeprefix("m:test_") for name in done[0] if name.startswith("m:test_")]
        self.multimetric_ = scores != ["score"]
        candidates = [decoded(_configuration(row), choices) for row in rows]
        out = [one for row in rows for one in self._splits_of(row, scores)]
        self.cv_results_ = self._format_results(candidates, self.n_splits_, out)
        self.failed_ = [row["error"] if row["state"] == State.FAILED.value else "" for row in rows]

    def _splits_of(self, row: Mapping[str, Any], scores: Sequence[str]) -> Iterator[dict[str, Any]]:
        """For each split what scikit-learn's own searches have of it."""
        is_done = row["state"] == State.DONE.value
        for split in range(self.n_splits_):

            def of(name: str, missing: float = self.error_score, split: int = split) -> float:
                return float(row[f"m:{name}"][split]) if is_done else float(missing)

            kinds = ("test", "train") if self.return_train_score else ("test",)
            found: dict[str, Any] = {
                f"{kind}_scores": {name: of(f"{kind}_{name}") for name in scores} for kind in kinds
            }
            if not self.multimetric_:
                found = {kind: by_name["score"] for kind, by_name in found.items()}
            yield {**found, "fit_time": of("fit_time", 0.0), "score_time": of("score_time", 0.0)}

    def _select(self, metric: str) -> None:
        """Make the attributes of the best candidate."""
        self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit(self, X: Any, y: Any, params: Mapping[str, Any]) -> None:
        """Fit the best candidate on all data, in this process."""
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        began_at = time.time()
        self.best_estimator_ = best.fit(X, **params) if y is None else best.fit(X, y, **params)
        self.refit_time_ = time.time() - began_at
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _configuration(row: Mapping[str, Any]) -> dict[str, Any]:
    """The active parameters of an evaluation."""
    return {
        name.removeprefix("p:"): value
        for name, value in row.items()
        if name.startswith("p:") and value is not None
    }


@contextmanager
def _place(
    db: str | os.PathLike[str] | None, runs: str | os.PathLike[str]
) -> Iterator[tuple[str | os.PathLike[str], Path]]:
    """Where database and files are; without a database in folders that are gone afterwards.

    The allow-list remembers the folder of a fit. Where others may make folders, as in /tmp, one of them could
    put code at that place later; so it lies beside the allow-list itself.
    """
    if db is not None:
        yield db, Path(runs).absolute()
        return
    private = allow_list_file().parent / "search-cv"
    private.mkdir(parents=True, exist_ok=True, mode=0o700)
    folders = [Path(tempfile.mkdtemp(prefix="fit-", dir=private)), Path(tempfile.mkdtemp(prefix="ambs-"))]
    try:
        yield folders[1] / "ambs.db", folders[0]  # SQLite wants a local disk, which a home folder may not be
    finally:
        for one in folders:
            shutil.rmtree(one, ignore_errors=True)


def _hash(handed_over: object) -> str:
    """What is the same for the same fit, in every process.

    Raises:
        UsageError: part of it cannot be pickled.
    """
    try:
        return str(joblib.hash(handed_over))[:HASH_DIGITS]
    except Exception as error:  # pickling runs other people's classes
        words = str(error.args[0] if error.args else error)[:LONGEST_WORDS]
        raise UsageError(
            f"AmbsSearchCV: the estimator, its scoring or its data cannot be written to a file: {words}. "
            f"{_IMPORT_IT}."
        ) from error


def _refuse_what_nobody_can_import(estimator: Any, scoring: Any, choices: Mapping[str, Any]) -> None:
    """Refuse classes and functions of a notebook or script: a pickle holds their names alone.

    Raises:
        UsageError: names the parameter.
    """
    held = {"estimator": estimator, "scoring": scoring}
    held |= {f"estimator.{name}": one for name, one in estimator.get_params(deep=True).items()}
    held |= (
        {f"scoring[{name!r}]": one for name, one in scoring.items()} if isinstance(scoring, Mapping) else {}
    )
    held |= {name: value for name, values in choices.items() for value in values.values()}
    for name, value in held.items():
        one = value if isinstance(value, type | FunctionType) else type(value)
        if one.__module__ == "__main__" or one.__name__ == "<lambda>":
            raise UsageError(
                f"AmbsSearchCV: {name} is or holds {one.__name__} of this program. {_IMPORT_IT}."
            )
