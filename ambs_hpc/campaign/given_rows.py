"""How people's evaluations enter a campaign: decided beside the database, stored if nobody was faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ambs_hpc.queue import (
    EvaluationRow,
    list_evaluations,
    marks_of,
    next_given_ordinal,
    reading,
    transaction,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Configuration, Value

One = TypeVar("One")


class GivenRows:
    """What people have given to one campaign, and what they give now."""

    def __init__(self, engine: Engine, campaign_id: int) -> None:
        self._engine, self._campaign_id = engine, campaign_id

    def rows(self) -> list[EvaluationRow]:
        """All evaluations of the campaign, imported results among them."""
        with reading(self._engine) as connection:
            return list_evaluations(connection, self._campaign_id, limit=None)

    def store(
        self,
        choose: Callable[[Sequence[EvaluationRow]], list[One]],
        write: Callable[[Connection, int, list[One]], list[int]],
    ) -> list[int]:
        """Write what `choose` wants after a look at all evaluations; returns the new ids.

        No transaction is open while it chooses. Where somebody else has given something meanwhile, it looks
        and chooses again: two people who give the same at the same time give it once.

        Args:
            choose: from all evaluations of the campaign.
            write: with the connection, the first new ordinal (the next ones are below it), and what to write.
        """
        while True:
            with reading(self._engine) as connection:
                marks = marks_of(connection, self._campaign_id)
                rows = list_evaluations(connection, self._campaign_id, limit=None)
            chosen = choose(rows)
            if not chosen:
                return []
            with transaction(self._engine) as connection:
                ordinal = next_given_ordinal(connection, self._campaign_id)
                if ordinal == -1 - marks.added - marks.imported:
                    return write(connection, ordinal, chosen)


def configuration_key(configuration: Configuration) -> str:
    """A text that is the same for the same values; numbers are compared to twelve digits."""
    return repr(sorted((name, _value_key(value)) for name, value in configuration.items()))


def _value_key(value: Value) -> tuple[str, str]:
    if isinstance(value, bool | str):
        return (type(value).__name__, str(value))
    return ("number", str(value) if isinstance(value, int) else f"{value:.12g}")
