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
        self._parents = {
            self._column[name]: {self._column[parent.name] for parent in space.parents_of[name]}
            for name in space
        }
        clauses = list(space.forbidden_clauses)
        self._forbidden = [self._clause(clause) for clause in clauses]
        self._columns = [frozenset(self._columns_of(clause)) for clause in clauses]

    @property
    def is_flat(self) -> bool:
        """Every parameter is always active."""
        return not self._conditions

    @property
    def forbids_nothing(self) -> bool:
        """There is no forbidden clause."""
        return not self._forbidden

    @property
    def has_clauses(self) -> bool:
        """Whether anything is forbidden."""
        return bool(self._forbidden)

    def is_parent(self, column: int) -> bool:
        """Whether another parameter is active only for certain values of this one."""
        return any(column in parents for parents in self._parents.values())

    def parents(self, column: int) -> frozenset[int]:
        """The columns whose values decide whether this one is active."""
        return frozenset(self._parents[column])

    def deactivate(self, V: Floats) -> Floats:
        """`V` with NaN in place of every inactive value; changes and returns `V`."""
        for column, holds in self._conditions:
            V[~holds(V), column] = np.nan
        return V

    def is_active(self, column: int, V: Floats) -> bool:
        """Whether a parameter is active in the one row of V (1, d); the columns before it are decided."""
        return all(bool(holds(V)[0]) for child, holds in self._conditions if child == column)

    def active(self, column: int, V: Floats) -> Mask:
        """(n,) whether a parameter is active in each row; those that it depends on are decided."""
        mask = np.ones(len(V), dtype=np.bool_)
        for child, holds in self._conditions:
            if child == column:
                mask &= holds(V)
        return mask

    def steps(self) -> list[tuple[int, list[Test]]]:
        """An order in which to decide the columns, and for each the clauses that can be judged after it.

        Parents come before children, and what completes a clause comes early: a partial row that cannot
        become legal is known as soon as possible.
        """
        decided: set[int] = set()
        found = []
        while len(decided) < len(self._column):
            column = min(self._decidable(decided), key=lambda one: self._urgency(one, decided))
            decided.add(column)
            complete = [
                test
                for test, columns in zip(self._forbidden, self._columns, strict=True)
                if column in columns and columns <= decided
            ]
            found.append((column, complete))
        return found

    def allowed(self, V: Floats) -> Mask:
        """(n,) whether each row breaks no forbidden clause; inactive values must be NaN."""
        mask = np.ones(len(V), dtype=np.bool_)
        for forbids in self._forbidden:
            mask &= ~forbids(V)
        return mask

    def _decidable(self, decided: set[int]) -> list[int]:
        return [j for j, parents in self._parents.items() if j not in decided and parents <= decided]

    def _urgency(self, column: int, decided: set[int]) -> tuple[int, int, int]:
        """Lowest first: fewest columns missing from a clause, then most clauses, then the space's order."""
        missing = [len(columns - decided) for columns in self._columns if column in columns]
        return (min(missing, default=len(self._column) + 1), -len(missing), column)

    def _columns_of(self, clause: Any) -> set[int]:
        if hasattr(clause, "components"):
            return set().union(*(self._columns_of(part) for part in clause.components))
        if hasattr(clause, "left"):
            return {self._column[clause.left.name], self._column[clause.right.name]}
        return {self._column[clause.hyperparameter.name]}

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
            kinds.ForbiddenLessThanEqualsRelation: operator.le,
            kinds.ForbiddenEqualsRelation: operator.eq,
            kinds.ForbiddenGreaterThanRelation: operator.gt,
            kinds.ForbiddenGreaterThanEqualsRelation: operator.ge,
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
