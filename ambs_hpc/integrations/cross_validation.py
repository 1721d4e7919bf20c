"""What an evaluation of `AmbsSearchCV` does: cross-validate an estimator that its own user left in a file.

The file is a pickle, which can do anything to whoever loads it. So only one's own is loaded: of this user,
that nobody else can write, with the digest that stands in the module beside it, in a folder on the
allow-list. Nothing of a database decides about that.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ambs_hpc.errors import ObjectiveNotAllowed

PAYLOAD, MODULE = "fit.joblib", "search_cv_evaluation"
OBJECTIVE = f"{MODULE}:evaluate"
_MODULE_TEXT = '''"""Written by ambs_hpc's AmbsSearchCV: cross-validates what {payload} beside it holds."""

from pathlib import Path

from ambs_hpc.integrations.cross_validation import evaluation_of

_evaluate = evaluation_of(Path(__file__).with_name("{payload}"), "{digest}")


def evaluate(configuration):
    return _evaluate(configuration)
'''


def write_fit(folder: Path, fit: Mapping[str, object]) -> None:
    """Write a fit and its module into the folder, which only its user can enter; twice is as once.

    Args:
        fit: `estimator`, `X`, `y`, `splits`, `scoring`, `return_train_score`, `fit_params`, `metric`, and
            `choices`: for some parameters, the values that stand behind the texts of the search.
    """
    import joblib

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    temporary = folder / f".{PAYLOAD}.{secrets.token_hex(4)}"
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        joblib.dump(dict(fit), temporary)
        with temporary.open("rb") as file:
            text = _MODULE_TEXT.format(payload=PAYLOAD, digest=_digest(file.fileno()))
        module = folder / f"{MODULE}.py"
        if module.exists() and module.read_text() == text and (folder / PAYLOAD).exists():
            return
        temporary.replace(folder / PAYLOAD)
        temporary.with_suffix(".py").write_text(text)
        temporary.with_suffix(".py").replace(module)
    finally:
        temporary.unlink(missing_ok=True)


def evaluation_of(file: Path, digest: str) -> Callable[[Mapping[str, Any]], dict[str, object]]:
    """The objective of the fit in the file; its data is loaded once, and shared by the forks of this process.

    Args:
        digest: SHA-256 of the file, hexadecimal.

    Raises:
        ObjectiveNotAllowed: the file is another one, or others could have written it.
    """
    fit = _loaded(file, digest)

    def evaluate(configuration: Mapping[str, Any]) -> dict[str, object]:
        return _cross_validated(fit, decoded(configuration, fit["choices"]))

    return evaluate


def decoded(configuration: Mapping[str, Any], choices: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """The estimator's parameters: texts of the search replaced by the values that they stand for."""
    return {name: choices[name][value] if name in choices else value for name, value in configuration.items()}


def _loaded(file: Path, digest: str) -> dict[str, Any]:
    import joblib

    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(opened.fileno())
        is_own = status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not (is_own and stat.S_ISREG(status.st_mode) and _digest(opened.fileno()) == digest):
            raise ObjectiveNotAllowed(
                f"{file} is not the file that was written for this search, or others can write it. Nothing "
                "of it was loaded; fit again to write it anew."
            )
        opened.seek(0)
        fit: dict[str, Any] = joblib.load(opened)
    return fit


def _digest(descriptor: int) -> str:
    """SHA-256 of an open file, from its beginning."""
    digest, place = hashlib.sha256(), 0
    while piece := os.pread(descriptor, 1 << 20, place):
        digest.update(piece)
        place += len(piece)
    return digest.hexdigest()


def _cross_validated(fit: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, object]:
    """The mean score that the search maximises, and all scores and times, a list over the splits each."""
    from sklearn.base import clone
    from sklearn.model_selection import cross_validate

    params = "params" if "params" in inspect.signature(cross_validate).parameters else "fit_params"
    scores = cross_validate(
        clone(fit["estimator"]).set_params(
            **{name: clone(one, safe=False) for name, one in parameters.items()}
        ),
        fit["X"],
        fit["y"],
        scoring=fit["scoring"],
        cv=fit["splits"],
        return_train_score=fit["return_train_score"],
        error_score="raise",
        **({params: fit["fit_params"]} if fit["fit_params"] else {}),
    )
    lists = {name: [float(one) for one in values] for name, values in scores.items()}
    mean = sum(lists[f"test_{fit['metric']}"]) / len(fit["splits"])
    return {"objective": mean, **lists}
