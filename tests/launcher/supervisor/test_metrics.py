"""What stands beside an objective never costs the objective."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ambs_hpc.launcher.supervisor.metrics import parse_result, read_metrics


class Rude:
    """Raises whatever is asked of it."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


def cycle() -> dict[str, Any]:
    found: dict[str, Any] = {"epochs": 3}
    found["self"] = found
    return found


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    "broken", [cycle(), deep(600), Rude(), [10**400]], ids=["cycle", "deep", "rude", "huge"]
)
def test_broken_metric_is_left_out_with_a_word(broken: object, capsys: pytest.CaptureFixture[str]) -> None:
    """The others stay, and so does the objective."""
    said = parse_result({"objective": 0.25, "loss": 1.0, "broken": broken})
    assert (said.objective, dict(said.metrics)) == (0.25, {"loss": 1.0})
    assert "'broken' is left out" in capsys.readouterr().err


def test_keys_become_text_and_numbers_of_libraries_plain() -> None:
    """As confusion matrices and scores by class have them."""
    import numpy as np

    metrics = {
        "confusion": {(0, 1): 3},
        "f1": {np.int64(3): np.float32(0.5)},
        "wide": np.uint64(2**64 - 1),
        "curve": np.array([[1.0], [2.0]]),
        7: {1, 2},
    }
    kept, left_out = read_metrics(metrics)
    assert left_out == []
    assert json.loads(json.dumps(kept)) == {
        "confusion": {"(0, 1)": 3},
        "f1": {"3": 0.5},
        "wide": 2**64 - 1,
        "curve": [[1.0], [2.0]],
        "7": [1, 2],
    }


@pytest.mark.parametrize("value", [10**400, Rude(), {"objective": 10**400}, {"objective": Rude()}])
def test_objective_that_is_no_number_is_a_bad_result(value: object) -> None:
    """Not an error inside this program."""
    assert parse_result(value).failure == "BAD_RESULT"


def test_metrics_without_end_leave_the_last_out() -> None:
    """A gigabyte of predictions beside the objective is no metric."""
    kept, left_out = read_metrics({"small": 1, "large": "x" * (17 << 20), "after": 2})
    assert kept == {"small": 1, "after": 2}
    assert "MiB" in left_out[0]


def test_one_number_in_an_array_or_a_tensor_is_that_number() -> None:
    """As losses are left by training code."""
    import numpy as np

    class Tensor:
        """As a framework's own: no float, but an item."""

        def item(self) -> float:
            return 0.25

    for value in (
        np.array(0.25),
        np.array([[0.25]]),
        np.float32(0.25),
        Tensor(),
        Fraction(1, 4),
        Decimal("0.25"),
    ):
        assert parse_result(value).objective == 0.25
        assert parse_result({"objective": value}).objective == 0.25
    kept, left_out = read_metrics(
        {"f": Fraction(1, 4), "d": Decimal("0.25"), "t": np.array([0.25]), "b": True}
    )
    assert (kept, left_out) == ({"f": 0.25, "d": 0.25, "t": [0.25], "b": True}, [])


def test_what_only_looks_like_a_number_is_refused_with_a_word() -> None:
    """`accuracy > 0.9` counted as 1, and a complex number as its real part."""
    import numpy as np

    words = {
        "return float(...)": [True, np.bool_(False), np.array([True]), "0.5", b"1"],
        "abs(...)": [1 + 2j, np.complex64(1j)],
        "`return` missing": [None],
        "is not a number": [[0.5], np.array([1.0, 2.0]), object()],
    }
    for word, values in words.items():
        for value in values:
            said = parse_result({"objective": value})
            assert said.failure == "BAD_RESULT"
            assert word in said.error
