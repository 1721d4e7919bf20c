"""What `ambs top` can change: the question before it, and the one transaction that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc import queue
from ambs_hpc.states import FailureKind

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.cli.top.shown_rows import ShownRow
    from ambs_hpc.cli.top.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Change:
    """A cancel or a rerun of one evaluation, or a rerun of a campaign's failures of one kind."""

    verb: str
    evaluation_id: int = 0
    campaign: str = ""
    kind: FailureKind | None = None
    number: int = 1

    @property
    def question(self) -> str:
        """What a person is asked."""
        if self.kind is not None:
            return f"Run again all {self.number} {self.kind.value} failures of {self.campaign}?"
        if self.verb == "cancel":
            return f"Cancel evaluation {self.evaluation_id}? If it runs it is ended within seconds."
        return f"Run evaluation {self.evaluation_id} again?"

    def make(self, engine: Engine) -> str:
        """Do it; what became of it, in words.

        Raises:
            AmbsError: the database did not take it; nothing has changed.
        """
        with queue.transaction(engine) as connection:
            if self.kind is not None:
                found = queue.find_campaign(connection, self.campaign)
                only = None if found is None else found.id
                moved = queue.rerun(connection, campaign_id=only, failed=True, kind=self.kind) if only else []
                are = "evaluation is" if len(moved) == 1 else "evaluations are"
                return f"{len(moved)} {are} READY again"
            verb = queue.cancel if self.verb == "cancel" else queue.rerun
            moved = verb(connection, ids=[self.evaluation_id])
        if moved:
            state = "CANCELLED" if self.verb == "cancel" else "READY again"
            return f"evaluation {self.evaluation_id} is {state}"
        state = "has ended already" if self.verb == "cancel" else "has neither failed here nor been cancelled"
        return f"Nothing changed: evaluation {self.evaluation_id} {state}."


def change_of(verb: str, evaluation_id: int, row: ShownRow | None, seen: Snapshot | None) -> Change | None:
    """The change that a key means; None where the cursor is on nothing that it could change.

    Args:
        verb: "cancel" or "rerun".
        row: under the cursor; None where an evaluation has the whole screen.
        seen: from which the row was made.
    """
    if verb == "rerun" and row is not None and seen is not None and seen.query.view == "failures":
        alike = next((one for one in seen.failures if one.example_id == row.evaluation_id), None)
        if alike is not None:
            number = sum(
                one.number
                for one in seen.failures
                if (one.kind, one.campaign) == (alike.kind, alike.campaign)
            )
            return Change(verb, campaign=alike.campaign, kind=alike.kind, number=number)
    if verb == "cancel" and row is not None and seen is not None and seen.query.view == "failures":
        return None  # they have ended
    return Change(verb, evaluation_id) if evaluation_id else None
