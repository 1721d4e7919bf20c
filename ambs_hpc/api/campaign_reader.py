"""A campaign as one reads it from Python: its results, its best, its state; nothing is started or written."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ambs_hpc.api.choices import chosen_database, only_campaign
from ambs_hpc.api.objectives.goal_summary import why_infeasible
from ambs_hpc.api.results_table import frame, has_pandas, records, report_frame, report_records
from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable, NotFound, UsageError
from ambs_hpc.queue import (
    OVER,
    FailureGroup,
    NotifyChannel,
    best,
    best_feasible,
    close_waits,
    counts,
    failures,
    front,
    get_campaign,
    goals_of_stored,
    is_search_alive,
    list_allocations,
    list_evaluations,
    live_launchers,
    marks_of,
    open_database,
    reading,
    reports_of,
    show_evaluation,
    wait_for_change,
)
from ambs_hpc.states import State
from ambs_hpc.timing import DATABASE_RETRY_SECONDS, STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from typing_extensions import Self

    from ambs_hpc.api.kept_files.campaign_ensemble import CampaignEnsemble
    from ambs_hpc.records import Campaign

WAIT_SECONDS = 1.0  # between two looks of `wait`


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """How a campaign stands.

    Args:
        counts: evaluations by state: READY, RUNNING, PAUSED, DONE, FAILED, CANCELLED.
        added: those of them that people added, on top of the budget.
        max_evaluations: the budget; None where it goes on until it is stopped.
        best: the best objective of those that keep the constraints, the first of several; None before there
            is one.
        search_alive: whether a search of it runs somewhere.
        launchers, slots: that are alive and serve the campaign, and what they run at once.
        failures: failures that look alike, the most frequent first.
    """

    counts: dict[str, int]
    added: int
    max_evaluations: int | None
    best: float | None
    search_alive: bool
    launchers: int
    slots: int
    failures: tuple[FailureGroup, ...]

    @property
    def in_flight(self) -> int:
        """Evaluations that wait or run."""
        return self.counts[State.READY.value] + self.counts[State.RUNNING.value]

    @property
    def is_spent(self) -> bool:
        """Whether the budget and what people added have ended, or are paused."""
        budget = self.max_evaluations
        settled = self.ended + self.counts[State.PAUSED.value]
        return budget is not None and settled >= budget + self.added

    @property
    def ended(self) -> int:
        """Evaluations in a final state."""
        return sum(number for state, number in self.counts.items() if State(state).is_final)


class CampaignReader:
    """A campaign in a database, to be read.

    Every call asks the database anew; two threads may call at once. `ambs_hpc.open_campaign` makes one.
    """

    def __init__(self, engine: Engine, stored: Campaign) -> None:
        self._engine, self._stored = engine, stored

    @property
    def name(self) -> str:
        """The campaign's name."""
        return self._stored.name

    @property
    def database(self) -> str:
        """The database's URL, a password masked."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def direction(self) -> str:
        """Of the objective: "minimize" or "maximize"."""
        return self._stored.definition.direction

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} in {self.database}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database; a later call opens them again."""
        close_waits(self._engine)
        self._engine.dispose()

    def status(self) -> CampaignStatus:
        """How the campaign stands now."""
        with reading(self._engine) as connection:
            stored = get_campaign(connection, self._stored.id)
            leading = best_feasible(connection, stored)
            alive = live_launchers(connection, STALE_AFTER_SECONDS, stored.id)
            by_state = counts(connection, stored.id)
            return CampaignStatus(
                counts={state.value: by_state.get(state, 0) for state in State},
                added=marks_of(connection, stored.id).added,
                max_evaluations=stored.definition.max_evaluations,
                best=leading[0].objective if leading else None,
                search_alive=is_search_alive(connection, stored.id, STALE_AFTER_SECONDS),
                launchers=len(alive),
                slots=sum(one.identity.slots for one in alive),
                failures=tuple(failures(connection, stored.id)),
            )

    def results(self, *, state: str | None = None, as_frame: bool | None = None) -> Any:
        """All evaluations, one row each, oldest first; the columns are listed in docs/python.md.

        Args:
            state: only those in this state, such as "DONE" or "FAILED".
            as_frame: a pandas DataFrame, or a list of dicts; None takes a DataFrame where pandas is there.

        Raises:
            UsageError: there is no such state, or pandas is missing where a frame was asked for.
        """
        wanted = None if state is None else _state_named(state)
        with reading(self._engine) as connection:
            rows = list_evaluations(connection, self._stored.id, wanted, limit=None)
        make = frame if (has_pandas() if as_frame is None else as_frame) else records
        return make(rows, self._parameters())

    def reports(self, evaluation_id: int, *, as_frame: bool | None = None) -> Any:
        """What an evaluation of this campaign told by `ambs_hpc.report`, by rising step, one row each.

        The columns are `step`, `objective`, `attempt`, `at` (UTC), `thinned` and `m:NAME` for each metric.

        Args:
            evaluation_id: column `id` of `results()`.
            as_frame: as of `results`.

        Raises:
            NotFound: this campaign has no such evaluation.
            UsageError: pandas is missing where a frame was asked for.
        """
        with reading(self._engine) as connection:
            story = show_evaluation(connection, evaluation_id)
            if story.row.campaign != self.name:
                raise NotFound(
                    f"Evaluation {evaluation_id} is of campaign {story.row.campaign!r}, not {self.name!r}."
                )
            found = reports_of(connection, evaluation_id)
        make = report_frame if (has_pandas() if as_frame is None else as_frame) else report_records
        return make(found)

    def best(self, objective: str | None = None) -> Any:
        """The best evaluation: its `configuration`, `objective`, `metrics`, `id` and more.

        Of several objectives a list, the front: those that no other dominates, by the first objective.
        One that breaks a constraint is given only where nothing keeps them all, with a warning.

        Args:
            objective: of several, the one that decides alone; then it is one evaluation.

        Raises:
            NotFound: none is done yet.
            UsageError: there is no such objective.
        """
        with reading(self._engine) as connection:
            stored = get_campaign(connection, self._stored.id)
            goals = goals_of_stored(stored)
            is_front = goals.has_several and objective is None
            leading = front(connection, stored.id) if is_front else []
            leading = leading or best(connection, stored.id, 1, objective)
        why = why_infeasible(goals, leading[0]) if leading else ""
        if why:
            told = f"Nothing of campaign {self.name!r} is known to keep the constraints: {why}."
            warnings.warn(told, stacklevel=2)
        if not leading:
            raise NotFound(
                f"No evaluation of campaign {self.name!r} is done yet; status() shows how they stand, and "
                "status().failures what went wrong."
            )
        return leading if is_front else leading[0]

    def ensemble(self, size: int = 5, *, metric: str | None = None, pool: int = 100) -> CampaignEnsemble:
        """Evaluations whose mean prediction is best, by the predictions.npz that each has left.

        Args:
            size: at most so many, >= 1.
            metric: "log_loss", "accuracy" or "rmse"; None takes the first for probabilities of classes, else
                the last.
            pool: so many of the best evaluations are candidates, >= 1.

        Raises:
            NotFound: none has left predictions that can be used; the message says why.
            UsageError: there is no such metric, it fits none of the predictions, or a number is below 1.
        """
        from ambs_hpc.api.kept_files.campaign_ensemble import campaign_ensemble

        if min(size, pool) < 1:
            raise UsageError(f"size {size}, pool {pool}: give whole numbers from 1.")
        with reading(self._engine) as connection:
            stored = get_campaign(connection, self._stored.id)
            return campaign_ensemble(connection, stored, size, metric=metric, pool=pool)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all that was proposed has ended and no more is to come; somebody else runs it.

        A warning says so where evaluations wait and nobody is there to run them. While the database is away
        it waits for it.

        Args:
            timeout: seconds; None waits without a limit.

        Returns:
            Whether it has ended; False when the time was over before.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        is_warned = False
        while True:
            try:
                if self._has_ended():
                    return True
                is_warned = is_warned or self._warned_of_nobody()
            except (DatabaseUnreachable, DatabaseLocked):
                time.sleep(min(DATABASE_RETRY_SECONDS, max(0.0, deadline - time.monotonic())))
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            wait_for_change(self._engine, min(WAIT_SECONDS, left), NotifyChannel.FINISHED)

    def _has_ended(self) -> bool:
        now = self.status()
        if now.in_flight:
            return False
        return now.is_spent or not (now.search_alive or self._awaits_allocation())

    def _warned_of_nobody(self) -> bool:
        now = self.status()
        if now.launchers or self._awaits_allocation():
            return False
        warnings.warn(
            f"{now.in_flight} evaluations of campaign {self.name!r} wait, and no launcher is alive: start "
            "one with campaign.run(), campaign.submit(...) or `ambs launch`.",
            stacklevel=3,
        )
        return True

    def _awaits_allocation(self) -> bool:
        """Whether an allocation is still to come, or has a launcher that may be starting its search."""
        with reading(self._engine) as connection:
            to_come = [one for one in list_allocations(connection) if not one.launchers]
            alive = live_launchers(connection, STALE_AFTER_SECONDS, self._stored.id)
        is_to_come = any(one.state not in OVER for one in to_come)
        return is_to_come or any(one.identity.allocation_id is not None for one in alive)

    def _parameters(self) -> list[str]:
        from ambs_hpc.problem.space import stored_space

        space = stored_space(self._stored.definition.problem, self._stored.name)
        return [str(one["name"]) for one in space["hyperparameters"]]


def open_campaign(db: str | os.PathLike[str] | None = None, name: str | None = None) -> CampaignReader:
    """A campaign that is there, to be read: nothing is started and nothing is written.

    Args:
        db: a file, a folder or a URL; None takes $AMBS_DB, ambs.yml's, the folder's private server, ambs.db.
        name: the campaign's; None takes the only one that there is.

    Raises:
        NotFound: there is no such campaign; the message lists those there are.
        DatabaseError: the database is not there or cannot be used.
    """
    engine = open_database(chosen_database(None if db is None else os.fspath(db)), create=False)
    try:
        with reading(engine) as connection:
            return CampaignReader(engine, only_campaign(connection, name))
    except BaseException:
        engine.dispose()
        raise


def _state_named(text: str) -> State:
    names = [state.value for state in State]
    if text.upper() not in names:
        raise UsageError(f"state: is {text!r}. Accepted: {', '.join(names)}.")
    return State(text.upper())
