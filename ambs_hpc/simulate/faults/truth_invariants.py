"""What the queue stored is compared with what the machine knows to have happened."""

from __future__ import annotations

import math
from bisect import bisect_left

from ambs_hpc import timing
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.simulate.faults.fault_machine import FaultMachine
from ambs_hpc.simulate.faults.recorded_events import RecordedCampaign
from ambs_hpc.simulate.faults.virtual_attempts import objective_of
from ambs_hpc.simulate.faults.virtual_program import VirtualProgram
from ambs_hpc.states import Move, State

SWEPT = "launcher died"  # the reason that the sweep stores with its events


def wrong_results(campaign: RecordedCampaign, machine: FaultMachine) -> list[str]:
    """Results and failures that the attempt of their token did not have."""
    wrong = [f"token {token} was started twice" for token in machine.disk.started_twice]
    for row in campaign.rows:
        counted = ""
        for event in campaign.events[row.id]:
            move = Move(event.move)
            if move in (Move.COMPLETE, Move.ACCEPT_LATE, Move.FAIL, Move.RETRY):
                wrong += _wrong_ending(event, machine)
            if move in (Move.COMPLETE, Move.ACCEPT_LATE):
                counted = event.claim_token
        if row.state == State.DONE.value and row.objective != objective_of(row.configuration, counted):
            wrong.append(f"evaluation {row.id}: objective {row.objective} is not that of token {counted}")
    return wrong


def _wrong_ending(event: DatabaseRow, machine: FaultMachine) -> list[str]:
    where = f"evaluation {event.evaluation_id}, event {event.id} {event.move}"
    attempt = machine.disk.by_token.get(event.claim_token)
    if attempt is None:
        return [f"{where}: nothing was ever started with token {event.claim_token}"]
    if attempt.is_stopped:
        return [f"{where}: its attempt was stopped ({attempt.stopped_because}) before it had an outcome"]
    if attempt.failure != event.failure_kind:
        return [f"{where}: {event.failure_kind} stored, {attempt.failure} happened"]
    moment = _true_time(event, machine)
    if moment is not None and attempt.ends_at > moment:
        return [f"{where}: stored before its attempt had ended"]
    return []


def wrong_releases(campaign: RecordedCampaign, machine: FaultMachine) -> list[str]:
    """Interruptions of attempts that were not interrupted, and of others than dead launchers'."""
    wrong: list[str] = []
    for event in campaign.all_events():
        move = Move(event.move)
        if move is Move.SWEEP or (move is Move.LOSE and event.detail == SWEPT):
            wrong += _wrong_sweep(event, machine)
        elif move in (Move.RELEASE, Move.LOSE):
            wrong += _wrong_release(event, machine)
    return wrong


def _wrong_release(event: DatabaseRow, machine: FaultMachine) -> list[str]:
    where = f"evaluation {event.evaluation_id}, event {event.id} {event.move} ({event.detail})"
    attempt = machine.disk.by_token.get(event.claim_token)
    if event.started_at is None and attempt is not None:
        return [f"{where}: stored as not started, but it ran"]
    if event.started_at is not None and (attempt is None or not attempt.interruptions_told):
        return [f"{where}: stored as interrupted, but nobody told so"]
    return []


def _wrong_sweep(event: DatabaseRow, machine: FaultMachine) -> list[str]:
    where = f"evaluation {event.evaluation_id}, event {event.id} {event.move}"
    program = next((one for one in machine.programs if one.launcher_id == event.launcher_id), None)
    moment = _true_time(event, machine)
    if program is None or moment is None:
        return [f"{where}: of launcher {event.launcher_id}, which does not exist"]
    if event.claim_token not in machine.disk.asked:
        return [f"{where}: nobody looked for its outcome on disk"]
    is_dead = program.ended_at is not None and program.ended_at <= moment
    if is_dead or program.said_end_at <= moment or _may_be_dead(event, program, moment, machine):
        return []
    return [f"{where}: launcher {event.launcher_id} was alive, and nobody said anything else"]


def _may_be_dead(event: DatabaseRow, program: VirtualProgram, moment: float, machine: FaultMachine) -> bool:
    """Whether a living launcher had been silent, by the database's clock, and nobody knew better."""
    before = [stored for at, stored in machine.database.heartbeats[event.launcher_id] if at < moment]
    silence = abs(event.at - before[-1]) if before else math.inf
    if program.allocation_id is None:
        return silence > timing.HAND_STARTED_SILENCE_SECONDS
    told = machine.scheduler.told_over.get(machine.scheduler_ids[program])
    return told is not None and told <= moment and silence > timing.STALE_AFTER_SECONDS


def _true_time(event: DatabaseRow, machine: FaultMachine) -> float | None:
    """The moment of the event's commit; None when the database has gone back."""
    if machine.went_back:
        return None
    journal = machine.database.journal
    place = bisect_left([last for _, last in journal], event.id)
    return journal[place][0] if place < len(journal) else None
