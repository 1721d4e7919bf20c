"""How people's evaluations enter a campaign: decided beside the database, stored if nobody was faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ambs_hpc.campaign.carry_over import WAS, carry_over_of
from ambs_hpc.errors import CampaignConflict
from ambs_hpc.queue import (
    EvaluationRow,
    get_campaign,
    list_evaluations,
    marks_of,
    next_given_ordinal,
    reading,
    transaction,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Campaign, Configuration, Value

One = TypeVar("One")
OF_SPACE = ("space", WAS)  # what of a problem says which configurations are legal, and what earlier ones mean


class GivenRows:
    """What people have given to one campaign, and what they give now."""

    def __init__(self, engine: Engine, campaign_id: int) -> None:
        self._engine, self._campaign_id = engine, campaign_id

    def rows(self) -> list[EvaluationRow]:
        """All evaluations of the campaign, imported results among them.

        Those that ran before its space was revised have the configurations that they are in the newest one,
        if they fit into it.
        """
        with reading(self._engine) as connection:
            campaign = get_campaign(connection, self._campaign_id)
            rows = list_evaluations(connection, self._campaign_id, limit=None)
        return _carried(campaign, rows)

    def store(
        self,
        choose: Callable[[Sequence[EvaluationRow]], list[One]],
        write: Callable[[Connection, int, list[One]], list[int]],
        fitted_to: Campaign,
    ) -> list[int]:
        """Write what `choose` wants after a look at all evaluations; returns the new ids.

        No transaction is open while it chooses. Where somebody else has given something meanwhile, it looks
        and chooses again: two people who give the same at the same time give it once.

        Args:
            choose: from all evaluations of the campaign, as `rows` has them.
            write: with the connection, the first new ordinal (the next ones are below it), and what to write.
            fitted_to: the campaign as it was when what is given was compared with its space.

        Raises:
            CampaignConflict: its space is another one by now; nothing was stored.
        """
        while True:
            with reading(self._engine) as connection:
                marks = marks_of(connection, self._campaign_id)
                rows = list_evaluations(connection, self._campaign_id, limit=None)
            chosen = choose(_carried(fitted_to, rows))
            if not chosen:
                return []
            with transaction(self._engine) as connection:
                ordinal = next_given_ordinal(connection, self._campaign_id)  # no revision comes after it
                _refuse_another_space(get_campaign(connection, self._campaign_id), fitted_to)
                if ordinal == -1 - marks.added - marks.imported:
                    return write(connection, ordinal, chosen)


def _carried(campaign: Campaign, rows: list[EvaluationRow]) -> list[EvaluationRow]:
    """The rows, with configurations of the campaign's space where they have one."""
    carry_over = carry_over_of(campaign.definition.problem)
    if carry_over is None:
        return rows
    carried = ((row, carry_over.carried(row.configuration)) for row in rows)
    return [row if found is None else replace(row, configuration=found) for row, found in carried]


def _refuse_another_space(newest: Campaign, fitted_to: Campaign) -> None:
    now, then = newest.definition.problem, fitted_to.definition.problem
    if any(now.get(part) != then.get(part) for part in OF_SPACE):
        raise CampaignConflict(
            f"The space of campaign {newest.name!r} was changed a moment ago (revision {newest.revision}), "
            f"and nothing was stored. Look at it with `ambs space {newest.name}`, then repeat your command."
        )


def configuration_key(configuration: Configuration) -> str:
    """A text that is the same for the same values; numbers are compared to twelve digits."""
    return repr(sorted((name, _value_key(value)) for name, value in configuration.items()))


def _value_key(value: Value) -> tuple[str, str]:
    if isinstance(value, bool | str):
        return (type(value).__name__, str(value))
    return ("number", str(value) if isinstance(value, int) else f"{value:.12g}")
