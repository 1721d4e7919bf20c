"""`AmbsSearchCV` is a search of scikit-learn for those who use it, and a campaign for those who look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import estimator_checks_generator

from ambs_hpc import open_campaign
from ambs_hpc.errors import ObjectiveNotAllowed, ProblemError, UsageError
from ambs_hpc.integrations.cross_validation import MODULE, PAYLOAD, evaluation_of, write_fit
from ambs_hpc.integrations.search_space import searched_space
from ambs_hpc.integrations.sklearn import AmbsSearchCV
from ambs_hpc.search import create_searcher

SPACE = {"C": (1e-2, 1e2, "log"), "gamma": (1e-5, 1e-1, "log"), "class_weight": [None, "balanced"]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, with a private allow-list."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("AMBS_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digits(number: int = 300) -> tuple[Any, Any]:
    images, labels = load_digits(return_X_y=True)
    return images[:number], labels[:number]


def test_search_on_digits_goes_on_with_the_same_database(folder: Path) -> None:
    """Killed or done: the same fit is the same campaign, and a larger n_iter adds to it."""
    images, labels = digits()
    search = AmbsSearchCV(SVC(), SPACE, n_iter=4, cv=3, n_jobs=2, db="cv.db", return_train_score=True)
    first = search.fit(images, labels).cv_results_
    name = search.campaign_name_
    again = clone(search).set_params(n_iter=6).fit(images, labels)
    assert again.campaign_name_ == name
    assert again.cv_results_["params"][:4] == first["params"]
    assert len(again.cv_results_["params"]) == 6
    assert again.cv_results_["mean_test_score"][:4].tolist() == first["mean_test_score"].tolist()
    best = again.cv_results_["mean_test_score"].argmax()
    assert again.best_score_ == again.cv_results_["mean_test_score"][best]
    assert again.best_params_ == again.cv_results_["params"][best]
    assert set(again.best_params_) == set(SPACE)
    assert again.best_params_["class_weight"] in (None, "balanced")
    assert again.score(images, labels) == again.best_estimator_.score(images, labels) > 0.9
    assert "split2_train_score" in again.cv_results_
    with open_campaign("cv.db") as reader:
        assert (reader.name, reader.status().counts["DONE"]) == (name, 6)
        assert reader.best().objective == again.best_score_


class InThisProcess(AmbsSearchCV):
    """The same without queue and launcher: what is around them is checked a hundred times in a moment."""

    def _searched(self, space: Any, handed_over: Mapping[str, Any]) -> list[dict[str, Any]]:
        write_fit(Path("fit"), handed_over)
        module = (Path("fit") / f"{MODULE}.py").read_text()
        evaluate = evaluation_of(Path("fit") / PAYLOAD, module.split('"')[-2])
        searcher = create_searcher(space, "random", "maximize", 0)
        rows = []
        for proposal in searcher.ask(self.n_iter):
            row = {"state": "DONE", "error": "", **{f"p:{k}": v for k, v in proposal.configuration.items()}}
            try:
                result = evaluate(proposal.configuration)
            except ValueError as error:
                if "square kernel matrix" not in str(error):
                    raise  # scikit-learn's checks look at it
                rows.append(row | {"state": "FAILED", "error": str(error)})
            else:
                rows.append(row | {f"m:{name}": value for name, value in result.items()})
        return rows


def test_failed_candidates_are_rows_and_the_search_goes_on() -> None:
    """As error_score has it in scikit-learn: a warning with the first error, and the score that it says."""
    images, labels = digits(200)
    space = {"kernel": ["linear", "precomputed"]}  # the second one wants a square matrix
    search = InThisProcess(SVC(), space, n_iter=2, cv=2)
    with (
        pytest.warns(FitFailedWarning, match=r"1 of 2 candidates failed(.|\n)*square kernel matrix"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(images, labels)
    assert search.best_params_ == {"kernel": "linear"}
    assert [bool(error) for error in search.failed_] == np.isnan(
        search.cv_results_["mean_test_score"]
    ).tolist()


def test_nothing_is_kept_without_a_database(folder: Path) -> None:
    """Least of all an allowed folder at a place where others could make it again, as in /tmp."""
    images, labels = digits(100)
    search = AmbsSearchCV(SVC(), {"C": (0.1, 10.0)}, n_iter=1, cv=2).fit(images, labels)
    assert len(search.failed_) == 1
    assert [one.name for one in folder.iterdir()] == ["config"]
    assert list((folder / "config" / "search-cv").iterdir()) == []
    allowed = (folder / "config" / "objectives.allowed").read_text().split()
    paths = [Path(word) for word in allowed if word.startswith("/")]
    assert paths
    assert all(path.is_relative_to(folder / "config" / "search-cv") for path in paths)


CHECKED = [
    InThisProcess(LogisticRegression(tol=0.01, max_iter=50), {"C": (0.1, 10.0)}, n_iter=1, cv=2),
    InThisProcess(Ridge(), {"alpha": (0.1, 10.0)}, n_iter=1, cv=2),
]
CHECKS = [
    (estimator, check)
    for one in CHECKED
    for estimator, check in estimator_checks_generator(one)
    if "array_api" not in check.func.__name__  # of libraries that are not here
]


@pytest.mark.parametrize("estimator, check", CHECKS, ids=lambda one: getattr(one, "func", type(one)).__name__)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    """Pipelines, cloning, attributes, inputs of every kind: what scikit-learn expects of an estimator."""
    check(estimator)


def test_several_scorers_and_choices_of_any_kind() -> None:
    """The search maximises the one that refit names; estimators and tuples can be choices."""
    images, labels = digits(200)
    steps = make_pipeline(StandardScaler(), SVC())
    space = {"standardscaler": [MinMaxScaler(), "passthrough"], "svc__C": stats.loguniform(0.1, 10)}
    scoring = {"accuracy": make_scorer(accuracy_score), "recall": "recall_macro"}
    search = InThisProcess(steps, space, n_iter=3, cv=2, scoring=scoring, refit="recall").fit(images, labels)
    assert search.best_score_ == search.cv_results_["mean_test_recall"].max()
    assert "mean_test_accuracy" in search.cv_results_
    assert search.score(images, labels) > 0.5
    with pytest.raises(ValueError, match=r"give the name of the one .* 'accuracy', 'recall'"):
        search.set_params(refit=True).fit(images, labels)


def test_distributions_become_ranges() -> None:
    """Those of scikit-learn's examples; of others there is no range."""
    space, choices = searched_space(
        {
            "a": stats.loguniform(1e-3, 1e3),
            "b": stats.uniform(1, 2),
            "c": stats.randint(1, 5),
            "d": [(64,), (64, 64), None],
            "e": [1, 2],
        }
    )
    assert space == {
        "a": (1e-3, 1e3, "log"),
        "b": (1.0, 3.0),
        "c": (1, 4),
        "d": ["0: (64,)", "1: (64, 64)", "2: None"],
        "e": [1, 2],
    }
    assert choices == {"d": {"0: (64,)": (64,), "1: (64, 64)": (64, 64), "2: None": None}}
    with pytest.raises(ProblemError, match=r"param_space\['x'\]: is the distribution 'norm'"):
        searched_space({"x": stats.norm()})


def test_what_no_other_process_can_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written, with the name of the parameter."""
    images, labels = digits(50)
    with pytest.raises(UsageError, match="scoring is or holds <lambda> of this program"):
        AmbsSearchCV(SVC(), SPACE, scoring=lambda *_: 1.0).fit(images, labels)
    monkeypatch.setattr(InThisProcess, "__module__", "__main__")
    with pytest.raises(UsageError, match="estimator is or holds InThisProcess"):
        AmbsSearchCV(InThisProcess(SVC(), SPACE), {"cv": [2, 3]}).fit(images, labels)
    assert not Path("ambs-runs").exists()


@pytest.mark.parametrize("what", ["another content", "writable by others", "a link"])
def test_only_the_file_that_was_written_is_loaded(what: str, folder: Path) -> None:
    """It is a pickle: whoever could put another one there would run as this user."""
    write_fit(folder / "fit", {"estimator": Ridge(), "choices": {}})
    file = folder / "fit" / PAYLOAD
    digest = (folder / "fit" / f"{MODULE}.py").read_text().split('"')[-2]
    assert callable(evaluation_of(file, digest))
    if what == "another content":
        write_fit(folder / "other", {"estimator": SVC(), "choices": {}})
        (folder / "other" / PAYLOAD).replace(file)
    elif what == "writable by others":
        file.chmod(0o620)
    else:
        file.rename(folder / "elsewhere")
        file.symlink_to(folder / "elsewhere")
    with pytest.raises((ObjectiveNotAllowed, OSError)):
        evaluation_of(file, digest)
