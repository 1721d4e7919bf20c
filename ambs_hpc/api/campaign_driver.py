"""A campaign as a program or a notebook drives it: run here, submitted, rerun, cancelled."""

from __future__ import annotations

import logging
import operator
import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc import campaign as campaigns
from ambs_hpc.api.campaign_reader import CampaignReader
from ambs_hpc.api.choices import chosen_database
from ambs_hpc.api.hopeless_words import why_nothing_succeeded
from ambs_hpc.api.interrupts import RunInterrupted
from ambs_hpc.api.problem_place import placed_problem, problem_file, write_problem_file
from ambs_hpc.api.progress_display import NoProgress, open_display
from ambs_hpc.api.search_and_launcher import PairEnd, SearchAndLauncher
from ambs_hpc.campaign import SearchSettings, define_campaign
from ambs_hpc.errors import CampaignConflict, NoLegalConfiguration, NothingSucceeded, UsageError, nearest
from ambs_hpc.hints import pasteable
from ambs_hpc.launcher.trial.objective_trial import TrialWords, try_function
from ambs_hpc.launcher.trial.trial_import import TRIAL_VARIABLE
from ambs_hpc.queue import cancel, open_database, rerun, transaction
from ambs_hpc.records.stored_ranges import LARGEST_COUNT, LARGEST_ID, MOST_SLOTS
from ambs_hpc.shown_text import harmless
from ambs_hpc.states import FailureKind

if TYPE_CHECKING:
    from ambs_hpc.api.site_submission import SubmissionReport
    from ambs_hpc.problem import Problem
    from ambs_hpc.problem.problem_file import LoadedProblem
    from ambs_hpc.records import Campaign as StoredCampaign

logger = logging.getLogger(__name__)

# What a launcher sets for the processes in which it imports objectives, and for evaluations.
LAUNCHER_VARIABLE, EVALUATION_VARIABLE = "AMBS_LAUNCHER", "AMBS_EVALUATION"
_running: set[str] = set()  # uids of the campaigns that this process runs now
_running_lock = threading.Lock()


class Campaign(CampaignReader):
    """One search of a problem, in a database: created, or found and gone on with; nothing is started yet.

    Args:
        problem: a Problem, or the path of a problem file.
        db: a file, a folder or a URL; None takes $AMBS_DB, ambs.yml's, the folder's private server, or
            ambs.db here.
        name: of the campaign; None takes the problem's. Another name in the same database is another one.
        method, options, seed: as --method, --option and --seed of `ambs run`; None leaves them as they are.
        runs: folder under which the campaign's own folder is made; relative to the current one.

    Raises:
        ProblemError: the problem's file or objective cannot be used.
        UsageError: an argument is none of those accepted.
        CampaignConflict: the campaign of that name has another problem, method or seed.
        DatabaseError: the database cannot be used.
    """

    def __init__(
        self,
        problem: Problem | LoadedProblem | str | os.PathLike[str],
        db: str | os.PathLike[str] | None = None,
        *,
        name: str | None = None,
        method: str | None = None,
        options: Mapping[str, object] | None = None,
        seed: int | None = None,
        runs: str | os.PathLike[str] = "ambs-runs",
    ) -> None:
        _refuse_during_import()
        loaded = placed_problem(problem)
        if name is not None:
            replace(loaded.problem, name=name)  # raises what is wrong with it
        self._settings = SearchSettings(
            name,
            method,
            dict(options or {}),
            _whole("seed", seed, at_least=0, at_most=LARGEST_ID),
            run_root=Path(runs),
        )
        self._loaded, wanted = loaded, define_campaign(loaded, self._settings)
        self._given = None if db is None else os.fspath(db)
        self._url = chosen_database(self._given)
        self._pair: SearchAndLauncher | None = None
        engine = open_database(self._url)
        try:
            super().__init__(engine, campaigns.open_campaign(engine, wanted, self._settings))
        except BaseException:
            engine.dispose()
            raise

    def run(
        self,
        max_evaluations: int | None = None,
        *,
        max_minutes: float | None = None,
        slots: int | None = None,
        progress: bool = True,
        hopeless_after: int | None = 10,
        check: bool = True,
    ) -> Campaign:
        """Search here and run evaluations on this machine, as `ambs run`, until what was asked is done.

        The launcher is a process of its own and ends with this one. In the main thread Ctrl-C (in a notebook:
        interrupt the kernel) lets running evaluations end, and a second one returns them to the queue; from
        another thread `interrupt` does. A later call goes on.

        Args:
            max_evaluations: total number of evaluations, those of earlier runs included; None keeps the
                campaign's, without one it goes on until it is stopped.
            max_minutes: time limit of this run.
            slots: evaluations at once; None takes as many as fit.
            progress: show it, in a notebook, on a terminal, or as lines in a log.
            hopeless_after: stop when the first so many evaluations have failed alike and none has succeeded;
                None never does.
            check: import the objective's module for a trial before anything is spent, in a process as
                evaluations have.

        Returns:
            The campaign itself.

        Raises:
            ProblemError: the objective's function is missing, does not fit, or cannot be imported.
            RunInterrupted: it was stopped before it was done; nothing is lost.
            CampaignConflict: another search of it is alive.
            NothingSucceeded: evaluations have failed and none has succeeded; it has the words of one.
            NoLegalConfiguration: none was found before the budget was spent.
            AmbsError: the launcher ended with an error.
        """
        settings = replace(
            self._settings,
            max_evaluations=_whole("max_evaluations", max_evaluations, at_least=1),
            max_minutes=_positive("max_minutes", max_minutes),
            slots=_whole("slots", slots, at_least=1, at_most=MOST_SLOTS),
        )
        if check:
            self._try_objective(is_elsewhere=False)
        with _Alone(self._stored.definition.uid, self.name):
            self._stored = self._continued(settings)
            self._pair = SearchAndLauncher(
                self._engine,
                self._stored,
                settings,
                hopeless_after=_whole("hopeless_after", hopeless_after, at_least=1),
            )
            display = open_display(self.name, quiet=False) if progress else NoProgress()
            try:
                end = self._pair.run(self._url, display)
            finally:
                self._pair = None
        self._tell(end)
        return self

    def interrupt(self) -> None:
        """What Ctrl-C does to `run`, for a program that runs it in another thread."""
        pair = self._pair
        if pair is not None:
            pair.interrupt()

    def submit(
        self,
        nodes: int,
        time: str = "",
        *,
        max_evaluations: int | None = None,
        site: str = "",
        queue: str = "",
        project: str = "",
        chain: int = 1,
        search: bool = True,
        dry_run: bool = False,
        check: bool = True,
    ) -> SubmissionReport:
        """Submit allocations with a launcher on all their nodes, as `ambs submit` does.

        Args:
            nodes: number of nodes.
            time: walltime, such as 90, "90m", "1h30m" or "2:00:00"; "" takes the queue's default.
            max_evaluations: budget of the search; None keeps the campaign's.
            site, queue, project: "" takes what ambs.yml in the current folder says.
            chain: number of allocations, one after another.
            search: run the search inside the allocation too; otherwise start one elsewhere, as `run` or
                `ambs search` does.
            dry_run: check and render, submit nothing.
            check: import the objective's module for a trial before, as `run` does; what is missing on this
                machine alone is a warning.

        Returns:
            The script, the notes of the site's check, and the allocations that were submitted.

        Raises:
            ProblemError: the objective's function is missing or does not fit.
            UsageError, NotFound, SiteInvalid: the site would refuse it, or there is no such site.
            SubmissionRejected, SubmissionUnclear: the scheduler refused it, or gave no clear answer.
        """
        from ambs_hpc.api.site_submission import submit_campaign
        from ambs_hpc.api.submission import LauncherOptions, Wanted

        budget = _whole("max_evaluations", max_evaluations, at_least=1)
        if check:
            self._try_objective(is_elsewhere=True)
        if budget is not None and not dry_run:
            settings = replace(self._settings, max_evaluations=budget)
            self._stored = self._continued(settings)
        budget = budget or self._stored.definition.max_evaluations
        if search and budget is None:
            raise UsageError("submit: give max_evaluations: without a budget the search would never end.")
        file = self._problem_file(write=not dry_run) if search else None
        wanted = Wanted(
            _whole("nodes", nodes, at_least=1) or 1,
            str(time),
            queue,
            project,
            chain=_whole("chain", chain, at_least=1) or 1,
            site=site,
        )
        options = LauncherOptions(with_search=file, max_evaluations=budget if search else None)
        return submit_campaign(self._engine, self._url, self.name, wanted, options, dry_run=dry_run)

    def _try_objective(self, *, is_elsewhere: bool) -> None:
        problem = self._loaded.problem
        words = TrialWords(
            "check=False skips this trial",
            notice=lambda said: sys.stderr.write(harmless(f"{said}\n")),
            warn=lambda said: warnings.warn(said, stacklevel=5),
        )
        try_function(
            *(problem.objective_json, str(self._loaded.directory), problem.configuration_space),
            f"campaign {self.name}",
            words,
            is_elsewhere=is_elsewhere,
        )

    def rerun(
        self, ids: Sequence[int] | None = None, *, failed: bool = False, kind: str | None = None
    ) -> list[int]:
        """Make failed or cancelled evaluations READY again, with both budgets full; `run` then runs them.

        Args:
            ids: only these; of this campaign, others are left as they are.
            failed: all that failed.
            kind: only failures of this kind, such as "TIMEOUT".

        Returns:
            The ids of those that are READY again.

        Raises:
            UsageError: nothing is named, or no such kind.
        """
        if ids is None and not failed and kind is None:
            raise UsageError("rerun: say which: ids=[17, 23], failed=True, or kind='TIMEOUT'.")
        with transaction(self._engine) as connection:
            return rerun(
                connection,
                ids=_ids(ids),
                campaign_id=self._stored.id,
                failed=failed,
                kind=None if kind is None else _kind_named(kind),
            )

    def cancel(self, ids: Sequence[int] | None = None, *, every: bool = False) -> list[int]:
        """Cancel evaluations that wait or run; running ones are ended within seconds.

        Args:
            ids: only these; of this campaign, others are left as they are.
            every: all that wait or run.

        Returns:
            The ids of those that were cancelled.

        Raises:
            UsageError: nothing is named.
        """
        if (ids is None) != every:
            raise UsageError("cancel: say which: ids=[17, 23], or every=True.")
        with transaction(self._engine) as connection:
            return cancel(connection, ids=_ids(ids), campaign_id=self._stored.id)

    def _continued(self, settings: SearchSettings) -> StoredCampaign:
        """The stored campaign with these settings, which are those of the command line for `ambs run`."""
        return campaigns.open_campaign(self._engine, define_campaign(self._loaded, settings), settings)

    def _problem_file(self, *, write: bool) -> Path:
        """The file from which a search elsewhere reads this problem."""
        loaded = self._loaded
        if loaded.file.is_file():
            return loaded.file
        if write:
            write_problem_file(loaded.problem, self.name, loaded.directory)
        return problem_file(self.name, loaded.directory)

    def _tell(self, end: PairEnd) -> None:
        if end.signal == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGTERM)  # as it would have ended without us; nothing is left behind
        if end.dead_end:
            raise NoLegalConfiguration(end.dead_end)
        if end.is_done or end.progress.hopeless:
            trouble = why_nothing_succeeded(self._engine, self._stored, end.progress.hopeless)
            if trouble:
                raise NothingSucceeded(pasteable(trouble, self._given))
        if not end.is_done:
            raise RunInterrupted(f"campaign {self.name!r} was stopped before it was done; run(...) goes on")


class _Alone:
    """Keeps two threads of this process from running one campaign: the database knows owners by process."""

    def __init__(self, uid: str, name: str) -> None:
        self._uid, self._name = uid, name

    def __enter__(self) -> None:
        with _running_lock:
            if self._uid in _running:
                raise CampaignConflict(
                    f"Another thread of this program runs campaign {self._name!r} already."
                )
            _running.add(self._uid)

    def __exit__(self, *_: object) -> None:
        with _running_lock:
            _running.discard(self._uid)


def _refuse_during_import() -> None:
    """Refuse to begin a campaign in the process that only imports an objective.

    Raises:
        UsageError: the objective's module makes a campaign when it is imported.
    """
    is_of_launcher = os.environ.get(LAUNCHER_VARIABLE) and not os.environ.get(EVALUATION_VARIABLE)
    if is_of_launcher or os.environ.get(TRIAL_VARIABLE):
        raise UsageError(
            "A launcher imports this module for its objective, and the import makes a Campaign. Put what "
            "makes and runs it under `if __name__ == '__main__':`."
        )


def _whole(name: str, value: object, *, at_least: int, at_most: int = LARGEST_COUNT) -> int | None:
    """The value as an int; numpy's whole numbers are taken too."""
    if value is None:
        return None
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what is no number raises
    except TypeError:
        number = at_least - 1
    if isinstance(value, bool) or not at_least <= number <= at_most:
        raise UsageError(f"{name}: is {value!r}. Give a whole number from {at_least} to {at_most}.")
    return number


def _positive(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise UsageError(f"{name}: is {value!r}. Give a number above 0.")
    return float(value)


def _ids(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else [_whole("ids", one, at_least=1, at_most=LARGEST_ID) or 0 for one in ids]


def _kind_named(text: str) -> FailureKind:
    names = {kind.value: kind for kind in FailureKind}
    if text.upper() not in names:
        raise UsageError(f"kind: is {text!r}, no failure kind. {nearest(text.upper(), names)}")
    return names[text.upper()]
