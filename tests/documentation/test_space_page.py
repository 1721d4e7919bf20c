"""The page about spaces is what the program does with each form that it shows."""

from __future__ import annotations

import re

import pytest

from ambs_hpc import Problem
from ambs_hpc.errors import ProblemError
from ambs_hpc.problem.space import build_space, space_notes, space_to_json
from ambs_hpc.problem.space_differences import domain_words, parameters_of
from ambs_hpc.search import create_searcher
from tests.documentation.blocks import DOCS, blocks_of

PAGE = DOCS / "reference" / "space.md"


def rows_of(head: str) -> list[list[str]]:
    """The code of each row of the table that begins so, cell by cell."""
    table = PAGE.read_text().partition(f"{head}\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert table, head
    return [re.findall(r"`([^`]+)`", row) for row in table]


def test_each_form_of_a_dict_becomes_what_is_told() -> None:
    """A form that is taken for another one searches something else for a night."""
    for form, kind, values in rows_of("| you write | it is | values | |"):
        stored = parameters_of(space_to_json(build_space({"x": eval(form)})))["x"]
        assert (form, stored["type"], domain_words(stored)) == (form, kind, values)


def test_each_slip_is_told_so() -> None:
    """Before anything is spent."""
    for form, words in rows_of("| you write | what is said |"):
        with pytest.raises(ProblemError, match=re.escape(words)):
            build_space({"x": eval(form)})
    for form, words in rows_of("| you write | the note |"):
        (note,) = space_notes(build_space({"x": eval(form)}))
        assert note.endswith(words)


def test_both_ways_to_write_a_parameter_are_one() -> None:
    """Whoever needs a condition writes the rest anew."""
    import ConfigSpace

    names: dict[str, object] = vars(ConfigSpace)
    for form, parameter in rows_of("| in a dict | in ConfigSpace |"):
        space = ConfigSpace.ConfigurationSpace()
        space.add(eval(parameter, dict(names)))
        assert space_to_json(build_space({"x": eval(form)})) == space_to_json(build_space(space))


def test_every_block_makes_a_problem_that_can_be_searched() -> None:
    """Conditions, clauses and priors are pasted from here."""
    shared: dict[str, object] = {}
    found: list[Problem] = []
    for block in blocks_of(PAGE):
        exec(block.text, shared)
        problem = shared["problem"]
        assert isinstance(problem, Problem)
        if problem not in found:
            found.append(problem)
    assert [one.name for one in found] == ["net", "svm", "warm", "informed"]
    for problem in found:
        proposed = [one.configuration for one in create_searcher(problem.space, "random", seed=1).ask(20)]
        assert len(proposed) == 20
        if problem.name == "svm":
            assert all(("gamma" in one) == (one["kernel"] != "linear") for one in proposed)
            assert {len(one) for one in proposed} == {2, 3, 4}
        if problem.name == "warm":
            assert all(one["warmup"] <= one["epochs"] for one in proposed)
