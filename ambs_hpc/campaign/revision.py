"""A change of a campaign that exists: planned from what is stored, then stored as a whole or not at all."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.campaign.carry_over import CarryOver, carry_over_of
from ambs_hpc.campaign.differences import definition_differences
from ambs_hpc.campaign.given_rows import configuration_key
from ambs_hpc.identity import user_name
from ambs_hpc.queue import (
    NOTHING_SEEN,
    OUTSIDE_OF_SPACE,
    NewRevision,
    StoredConfiguration,
    cancel,
    configurations_of,
    counts,
    lock_for_revision,
    reading,
    renew_waiting,
    revise_waiting,
    store_revision,
    transaction,
)
from ambs_hpc.records import Campaign, Configuration, NewCampaign, RevisedField
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OUTSIDE = "outside of the campaign's space since revision {number}"
# Fields of which waiting evaluations carry their own copy.
CARRIED = ("resources", "time_limit_seconds", "priority", "space", "was")
HAS_RESULT = (State.DONE, State.FAILED)
WAIT = (State.READY, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Revised:
    """A campaign that was changed, or would be.

    Args:
        campaign: as it is afterwards.
        changes: the differences; [] when there are none.
        effects: see `records.CampaignRevision`.
    """

    campaign: Campaign
    changes: Sequence[RevisedField]
    effects: Mapping[str, int]

    @property
    def words(self) -> str:
        """What changed, and for how many evaluations, in one line; "" when nothing did."""
        told = "; ".join(one.words for one in self.changes)
        parts = [told, *_effect_words(self.effects, any(map(_is_carried, self.changes)))] if told else []
        return ", ".join(parts)


class _Fit:
    """What becomes of each evaluation by the newest space."""

    def __init__(self, carry_over: CarryOver) -> None:
        self._carry_over = carry_over
        self.next_configurations: dict[int, Configuration | None] = {}
        self.outside: list[int] = []  # ids of those that wait or run, and do not fit
        self.seen = NOTHING_SEEN
        self._kept: set[str] = set()
        self.left = self.run_on = self.wait_outside = self.ready_outside = 0

    @property
    def kept(self) -> int:
        """The number of configurations that have a result and fit."""
        return len(self._kept)

    def add(self, rows: Sequence[StoredConfiguration]) -> None:
        """Judge these evaluations, which follow and precede those before."""
        for row in rows:
            self._add(row)
            lowest, highest = self.seen
            self.seen = (min(lowest, row.ordinal), max(highest, row.ordinal))

    def _add(self, row: StoredConfiguration) -> None:
        carried = self._carry_over.carried(row.configuration)
        if row.state in HAS_RESULT:
            self.left += carried is None
            self._kept |= set() if carried is None else {configuration_key(carried)}
        elif carried is None and row.state is not State.CANCELLED:
            self.outside.append(row.id)  # those of them that wait when it is stored are cancelled
            self.run_on += row.state is State.RUNNING
            self.wait_outside += row.state in WAIT
            self.ready_outside += row.state is State.READY
        following: Configuration | None = OUTSIDE_OF_SPACE if carried is None else carried
        if carried == row.configuration:
            following = None
        if row.state is not State.DONE and following != row.next_configuration:
            self.next_configurations[row.id] = following


def plan(engine: Engine, found: Campaign, after: NewCampaign) -> Revised:
    """What a revision would change; nothing is stored. Waiting evaluations are counted as they are now."""
    changes = definition_differences(found.definition, after)
    if not changes:
        return Revised(found, [], {})
    fit = _fit_of(engine, found, after, changes)
    with reading(engine) as connection:
        waiting = counts(connection, found.id)[State.READY]
    if fit is not None:
        waiting -= fit.ready_outside
    effects = _effects(waiting, 0 if fit is None else fit.wait_outside, fit)
    return Revised(Campaign(found.id, found.created_at, after, found.revision + 1), changes, effects)


def revise(engine: Engine, found: Campaign, after: NewCampaign) -> Revised:
    """The campaign is `after`, and what has not started follows; nothing happens where nothing differs.

    What earlier evaluations mean is found out before the transaction that stores it, and completed within.

    Raises:
        CampaignConflict: somebody has revised it since it was read.
    """
    changes = definition_differences(found.definition, after)
    if not changes:
        return Revised(found, [], {})
    fit = _fit_of(engine, found, after, changes)
    new = NewRevision(found, after, this_person(), changes)
    with transaction(engine) as connection:
        lock_for_revision(connection, new)
        cancelled = 0 if fit is None else _follow_space(connection, new, fit)
        effects = _effects(counts(connection, found.id)[State.READY], cancelled, fit)
        campaign = store_revision(connection, new, effects)
        renew_waiting(connection, [found.id])
    return Revised(campaign, changes, effects)


def this_person() -> str:
    """The caller as user@host."""
    return f"{user_name()}@{socket.gethostname()}"


def _fit_of(
    engine: Engine, found: Campaign, after: NewCampaign, changes: Sequence[RevisedField]
) -> _Fit | None:
    carry_over = carry_over_of(after.problem)
    if carry_over is None or not any(one.field.startswith(("space.", "was.")) for one in changes):
        return None
    with reading(engine) as connection:
        rows = configurations_of(connection, found.id)
    fit = _Fit(carry_over)
    fit.add(rows)
    return fit


def _follow_space(connection: Connection, new: NewRevision, fit: _Fit) -> int:
    """Cancel what waits outside, and complete the rest; returns how many were cancelled."""
    campaign_id = new.before.id
    fit.add(configurations_of(connection, campaign_id, fit.seen))
    why = OUTSIDE.format(number=new.before.revision + 1)
    cancelled = (
        cancel(connection, ids=fit.outside, campaign_id=campaign_id, states=WAIT, reason=why)
        if fit.outside
        else []
    )
    revise_waiting(connection, fit.next_configurations)
    return len(cancelled)


def _effects(waiting: int, cancelled: int, fit: _Fit | None) -> dict[str, int]:
    of_space = {} if fit is None else {"kept": fit.kept, "left": fit.left, "run_on": fit.run_on}
    return {"waiting": waiting, "cancelled": cancelled, **of_space}


def _is_carried(change: RevisedField) -> bool:
    return change.field.split(".")[0] in CARRIED


def _effect_words(effects: Mapping[str, int], is_carried: bool) -> list[str]:
    told = []
    if is_carried and effects["waiting"]:
        told.append(f"for {_counted(effects['waiting'], 'waiting evaluation')}")
    if "kept" in effects:
        results = effects["kept"] + effects["left"]
        told.append(f"{effects['kept']} of {_counted(results, 'result')} fit and are kept")
        told.append(f"{effects['left']} {'leaves' if effects['left'] == 1 else 'leave'} the model")
    if effects["cancelled"]:
        told.append(f"{_counted(effects['cancelled'], 'waiting evaluation')} outside cancelled")
    if effects.get("run_on"):
        told.append(f"{effects['run_on']} outside run on")
    return told


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
