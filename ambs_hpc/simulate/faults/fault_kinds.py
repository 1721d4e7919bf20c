"""The faults that the machine can inject, and which of them one seed injects how often."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

SETTINGS_STREAM = 1  # of a seed's random numbers


class FaultKind(str, Enum):
    """One kind of fault, as reports name it."""

    # Of the whole program, by a schedule.
    KILL = "kill"  # a launcher's evaluations die with it
    KILL_ALONE = "kill_alone"  # its evaluations run on, and leave their outcomes on disk
    PAUSE = "pause"  # a stopped process or a frozen node, which goes on later as if nothing had been
    CLOCK_STEP = "clock_step"  # of a host, or of the database's host forwards
    DATABASE_CLOCK_BACK = "database_clock_back"  # far, so that heartbeats lie in the future
    CLOCK_STEP_IN_RUN = "clock_step_in_run"  # so that an evaluation reports a wrong run time
    ALLOCATION_VANISHES = "allocation_vanishes"
    DATABASE_AWAY = "database_away"
    DATABASE_BACK = "database_back"  # an older copy is restored while programs run
    # At a transaction.
    KILL_BEFORE_COMMIT = "kill_before_commit"
    KILL_AFTER_COMMIT = "kill_after_commit"
    COMMIT_FAILS = "commit_fails"
    ANSWER_LOST = "answer_lost"  # committed, but the program hears of a broken connection
    LOCKED = "locked"
    SLOW = "slow"  # the lock is held for seconds
    PAUSE_BETWEEN = "pause_between"  # a stopped process, between two transactions of one step
    # At a question about somebody else.
    UNKNOWN_EVIDENCE = "unknown_evidence"
    SCHEDULER_SILENT = "scheduler_silent"
    TOLD_EARLY = "told_early"  # the scheduler forgets an allocation whose processes still run
    # At an evaluation.
    NODE_FAILURE = "node_failure"
    REPORT_LATE = "report_late"
    REPORT_TWICE = "report_twice"
    # By people.
    CANCEL = "cancel"
    RERUN = "rerun"
    SECOND_SEARCH = "second_search"


CLOCK_STEPS_SECONDS = (-3600.0, -90.0, -1.0, 2.0, 90.0, 3600.0)
SCHEDULED = (
    FaultKind.KILL,
    FaultKind.KILL_ALONE,
    FaultKind.PAUSE,
    FaultKind.CLOCK_STEP,
    FaultKind.DATABASE_CLOCK_BACK,
    FaultKind.ALLOCATION_VANISHES,
    FaultKind.DATABASE_AWAY,
    FaultKind.TOLD_EARLY,
)
DATABASE_BACK_SHARE = 0.15  # of all seeds: fewer invariants can be checked there
DRAWN_LAST = (FaultKind.DATABASE_BACK, FaultKind.CLOCK_STEP_IN_RUN)
OFTEN = tuple(kind for kind in FaultKind if kind not in DRAWN_LAST)
# A launcher's own intervals between heartbeats and between questions, and longer ones, which cost less.
HEARTBEAT_SECONDS, IDLE_SECONDS = (2.0, 20.0), (0.5, 10.0)
SWEEP_SECONDS = 40.0  # between two looks for dead launchers; their own interval costs more
OWN_INTERVALS_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """What one seed simulates.

    Args:
        kinds: the faults that may happen.
        budget: evaluations of the campaign, >= 1.
        launchers: launchers that are kept running, >= 1.
        slots: evaluations at once of each, >= 1.
        faulty_seconds: virtual time in which faults happen; afterwards nothing goes wrong any more.
        bound_seconds: virtual time after that within which the campaign has to be complete.
        seconds_between: mean time between two scheduled faults.
        rate: probability of each kind of fault at a transaction, a question or an evaluation.
        run_seconds: mean run time of an evaluation.
        failing: share of the attempts that fail by their own doing.
        max_failures, max_interruptions: as in `NewCampaign`.
        heartbeat_seconds, idle_seconds: intervals of a launcher's heartbeats, and of its questions to an
            empty queue.
        intervention_seconds: mean time between two interventions of a person.
        intervention_share: share of the evaluations that each of them names.
        calls_beside: launchers call the database in a thread of its own, as real ones do.
    """

    seed: int
    kinds: frozenset[FaultKind] = field(default_factory=lambda: frozenset(OFTEN))
    budget: int = 16
    launchers: int = 3
    slots: int = 2
    faulty_seconds: float = 300.0
    bound_seconds: float = 3600.0
    seconds_between: float = 30.0
    rate: float = 0.03
    run_seconds: float = 20.0
    failing: float = 0.2
    max_failures: int = 2
    max_interruptions: int = 3
    heartbeat_seconds: float = HEARTBEAT_SECONDS[1]
    idle_seconds: float = IDLE_SECONDS[1]
    intervention_seconds: float = 60.0
    intervention_share: float = 0.2
    calls_beside: bool = True


def settings_of(seed: int) -> FaultSettings:
    """The settings of a seed: a random half of all kinds, because faults hide one another."""
    random = np.random.default_rng((seed, SETTINGS_STREAM))
    kinds: frozenset[FaultKind] = frozenset(kind for kind in OFTEN if random.random() < 0.5)
    if random.random() < DATABASE_BACK_SHARE:
        kinds |= {FaultKind.DATABASE_BACK}
    run_seconds = float(random.choice([0.5, 5.0, 20.0, 60.0]))
    shares = [OWN_INTERVALS_SHARE, 1.0 - OWN_INTERVALS_SHARE]
    settings = FaultSettings(
        seed,
        kinds,
        budget=int(random.integers(4, 8 if run_seconds > 20.0 else 25)),
        launchers=int(random.integers(2, 4)),
        slots=int(random.integers(1, 4)),
        faulty_seconds=float(random.uniform(80.0, 300.0)),
        seconds_between=float(random.choice([10.0, 30.0, 90.0])),
        rate=float(random.choice([0.0, 0.01, 0.03, 0.1])),
        run_seconds=run_seconds,
        failing=float(random.choice([0.0, 0.2, 0.5])),
        max_failures=int(random.integers(1, 4)),
        max_interruptions=int(random.choice([0, 1, 3, 100])),
        heartbeat_seconds=float(random.choice(HEARTBEAT_SECONDS, p=shares)),
        idle_seconds=float(random.choice(IDLE_SECONDS, p=shares)),
        calls_beside=bool(random.random() < 0.7),
    )
    if random.random() < 0.5:
        settings = replace(settings, kinds=kinds | {FaultKind.CLOCK_STEP_IN_RUN})
    return settings
