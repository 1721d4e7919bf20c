"""Conditions and forbidden clauses of a space, evaluated for many configurations at once.

They work on value matrices V (n, d): numbers as they are, choices as their index, inactive as NaN.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.errors import UsageError

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Test = Callable[[Floats], Mask]  # V (n, d) -> (n,)


class Constraints:
    """The conditions and forbidden clauses of a space, compiled once.

    Args:
        space: the columns of V follow its order, in which parents stand before children.
        codes: for each parameter with choices the place of every choice in V.
    """

    def __init__(self, space: ConfigurationSpace, codes: Mapping[str, list[Any]]) -> None:
        self._column = {name: j for j, name in enumerate(space)}
        self._codes = codes
        self._conditions: list[tuple[int, Test]] = [
            (self._column[name], self._condition(condition))
            for name in space
            for condition in space.parent_conditions_of[name]
        ]
        self._forbidden = [self._clause(clause) for clause in space.forbidden_clauses]

    @property
    def is_flat(self) -> bool:
        """Every parameter is always active."""
        return not self._conditions

    def deactivate(self, V: Floats) -> Floats:
        """`V` with NaN in place of every inactive value; changes and returns `V`."""
        for column, holds in self._conditions:
            V[~holds(V), column] = np.nan
        return V

    def is_active(self, column: int, V: Floats) -> bool:
        """Whether a parameter is active in the one row of V (1, d); the columns before it are decided."""
        return all(bool(holds(V)[0]) for child, holds in self._conditions if child == column)

    def allowed(self, V: Floats) -> Mask:
        """(n,) whether each row breaks no forbidden clause; inactive values must be NaN."""
        mask = np.ones(len(V), dtype=np.bool_)
        for forbids in self._forbidden:
            mask &= ~forbids(V)
        return mask

    def _condition(self, condition: Any) -> Test:
        import ConfigSpace.conditions as kinds

        if isinstance(condition, kinds.AndConjunction):
            return _every([self._condition(part) for part in condition.components])
        if isinstance(condition, kinds.OrConjunction):
            return _some([self._condition(part) for part in condition.components])
        if isinstance(condition, kinds.InCondition):
            return self._among(condition.parent.name, condition.values)
        compare = {
            kinds.EqualsCondition: operator.eq,
            kinds.NotEqualsCondition: operator.ne,  # true below an inactive parent, as ConfigSpace has it
            kinds.LessThanCondition: operator.lt,
            kinds.GreaterThanCondition: operator.gt,
        }.get(type(condition))
        if compare is None:
            raise _unknown(condition)
        return self._compared(condition.parent.name, compare, condition.value)

    def _clause(self, clause: Any) -> Test:
        import ConfigSpace.forbidden as kinds

        if isinstance(clause, kinds.ForbiddenAndConjunction):
            return _every([self._clause(part) for part in clause.components])
        if isinstance(clause, kinds.ForbiddenOrConjunction):
            return _some([self._clause(part) for part in clause.components])
        if isinstance(clause, kinds.ForbiddenRelation):
            return self._relation(clause)
        if isinstance(clause, kinds.ForbiddenInClause):
            return self._among(clause.hyperparameter.name, clause.values)
        compare = {
            kinds.ForbiddenEqualsClause: operator.eq,
            kinds.ForbiddenLessThanClause: operator.lt,
            kinds.ForbiddenLessThanEqualsClause: operator.le,
            kinds.ForbiddenGreaterThanClause: operator.gt,
            kinds.ForbiddenGreaterThanEqualsClause: operator.ge,
        }.get(type(clause))
        if compare is None:
            raise _unknown(clause)
        return self._compared(clause.hyperparameter.name, compare, clause.value)

    def _relation(self, relation: Any) -> Test:
        import ConfigSpace.forbidden as kinds

        compare = {
            kinds.ForbiddenLessThanRelation: operator.lt,
            kinds.ForbiddenEqualsRelation: operator.eq,
            kinds.ForbiddenGreaterThanRelation: operator.gt,
        }.get(type(relation))
        if compare is None:
            raise _unknown(relation)
        left, right = self._values_of(relation.left.name), self._values_of(relation.right.name)
        a, b = self._column[relation.left.name], self._column[relation.right.name]

        def holds(V: Floats) -> Mask:
            active = ~(np.isnan(V[:, a]) | np.isnan(V[:, b]))
            mask = np.zeros(len(V), dtype=np.bool_)
            mask[active] = compare(left(V[active, a]), right(V[active, b]))
            return mask

        return holds

    def _values_of(self, name: str) -> Callable[[Floats], NDArray[Any]]:
        """Relations compare what the user wrote, not its place in the list of choices."""
        if name not in self._codes:
            return lambda column: column
        choices = np.array(self._codes[name])
        return lambda column: choices[column.astype(int)]

    def _compared(self, name: str, compare: Callable[[Any, Any], Any], value: Any) -> Test:
        column, code = self._column[name], self._code(name, value)
        return lambda V: compare(V[:, column], code)

    def _among(self, name: str, values: Any) -> Test:
        column, accepted = self._column[name], [self._code(name, value) for value in values]
        return lambda V: np.isin(V[:, column], accepted)

    def _code(self, name: str, value: Any) -> float:
        return float(self._codes[name].index(value)) if name in self._codes else float(value)


def _every(tests: list[Test]) -> Test:
    return lambda V: np.all([test(V) for test in tests], axis=0)


def _some(tests: list[Test]) -> Test:
    return lambda V: np.any([test(V) for test in tests], axis=0)


def _unknown(what: object) -> UsageError:
    return UsageError(
        f"The search cannot vectorise {type(what).__name__} ({what}). Express it with equals, in, less or "
        "greater clauses and their conjunctions."
    )
