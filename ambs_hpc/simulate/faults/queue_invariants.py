"""What must hold in a queue whatever happened: read from its rows and events alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.simulate.faults.recorded_events import ENDINGS, RecordedCampaign
from ambs_hpc.states import MOVES, FailureKind, Move, State, is_legal

_TAKES_AWAY = frozenset({Move.RELEASE, Move.SWEEP, Move.PAUSE, Move.LOSE})
_ENDS_A_LEASE = _TAKES_AWAY | {Move.COMPLETE, Move.FAIL, Move.RETRY}


def illegal_moves(campaign: RecordedCampaign) -> list[str]:
    """Moves from a state that forbids them, and states to which no move led."""
    wrong: list[str] = []
    for row in campaign.rows:
        state: State | None = None
        for event in campaign.events[row.id]:
            move = Move(event.move)
            if not is_legal(move, state):
                wrong.append(f"evaluation {row.id}: {move.value} from {state and state.value}")
            state = MOVES[move][1]
        if state is None or state.value != row.state:
            wrong.append(f"evaluation {row.id} is {row.state}, its events lead to {state and state.value}")
    return wrong


def wrong_owners(campaign: RecordedCampaign) -> list[str]:
    """Attempts with two owners, numbers that do not grow by one, endings by another claim's token."""
    tokens = Counter(event.claim_token for event in campaign.all_events() if event.move == Move.CLAIM.value)
    wrong = [f"token {token} was claimed {number} times" for token, number in tokens.items() if number > 1]
    for row in campaign.rows:
        walk = _LeaseWalk()
        for event in campaign.events[row.id]:
            said = walk.step(event)
            if said:
                wrong.append(f"evaluation {row.id}, event {event.id} {event.move}: {said}")
        if (row.attempt, row.claim_token) != (walk.attempt, walk.token):
            wrong.append(
                f"evaluation {row.id} has attempt {row.attempt} by {row.claim_token}, its events say "
                f"{walk.attempt} by {walk.token}"
            )
    return wrong


class _LeaseWalk:
    """Follows the claims of one evaluation."""

    def __init__(self) -> None:
        self.attempt, self.token = 0, ""
        self._holder: int | None = None
        self._claims: dict[int, tuple[str, int]] = {}  # since the last rerun: token and launcher
        self._taken: set[int] = set()

    def step(self, event: DatabaseRow) -> str:
        """What is wrong with this event; empty for nothing."""
        move = Move(event.move)
        if move is Move.CLAIM:
            return self._claim(event)
        if move is Move.ACCEPT_LATE:
            claimed = self._claims.get(event.attempt)
            if claimed != (event.claim_token, event.launcher_id) or event.attempt not in self._taken:
                return (
                    f"attempt {event.attempt} of {event.claim_token} was not taken from {event.launcher_id}"
                )
        elif move in _ENDS_A_LEASE:
            expected = (self.attempt, self.token, self._holder)
            found = (event.attempt, event.claim_token, event.launcher_id)
            if found != expected:
                return f"{found} ends the lease of {expected}"
            if move in _TAKES_AWAY:
                self._taken.add(event.attempt)
        elif event.attempt != self.attempt:
            return f"attempt {event.attempt} instead of {self.attempt}"
        if move is Move.RERUN:
            self._claims.clear()
            self._taken.clear()
        return ""

    def _claim(self, event: DatabaseRow) -> str:
        before, self.attempt = self.attempt, event.attempt
        self.token, self._holder = event.claim_token, event.launcher_id
        self._claims[event.attempt] = (event.claim_token, event.launcher_id)
        return "" if event.attempt == before + 1 else f"attempt {event.attempt} follows {before}"


def wrong_budgets(campaign: RecordedCampaign, max_failures: int, max_interruptions: int) -> list[str]:
    """Failures and interruptions that differ from the events since the last rerun, or pass their limits."""
    wrong: list[str] = []
    for row in campaign.rows:
        failures = interruptions = 0
        for event in campaign.events[row.id]:
            move = Move(event.move)
            if move is Move.RERUN:
                failures = interruptions = 0
            failures += move in (Move.FAIL, Move.RETRY)
            is_interruption = move in (Move.SWEEP, Move.LOSE) or (
                move is Move.RELEASE and event.started_at is not None
            )
            interruptions += is_interruption
            if move is Move.FAIL and failures != max_failures:
                wrong.append(f"evaluation {row.id} FAILED after {failures} failures")
            if move is Move.LOSE and interruptions != max_interruptions + 1:
                wrong.append(f"evaluation {row.id} LOST after {interruptions} interruptions")
            if failures > max_failures or interruptions > max_interruptions + 1:
                wrong.append(f"evaluation {row.id}: {failures} failures, {interruptions} interruptions")
        if (row.failures, row.interruptions) != (failures, interruptions):
            wrong.append(
                f"evaluation {row.id} has {row.failures} failures and {row.interruptions} interruptions, "
                f"its events {failures} and {interruptions}"
            )
        if row.state == State.FAILED.value:
            wrong += _wrong_failure(row, campaign.events[row.id])
    return wrong


def _wrong_failure(row: DatabaseRow, events: Sequence[DatabaseRow]) -> list[str]:
    is_lost = events[-1].move == Move.LOSE.value
    if is_lost == (row.failure_kind == FailureKind.LOST.value):
        return []
    return [f"evaluation {row.id} FAILED by {row.failure_kind} after {events[-1].move}"]


def wrong_counters(campaign: RecordedCampaign) -> list[str]:
    """Counters that differ from the rows, and finish sequences that are not 1, 2, 3, ... in order."""
    progress, states = campaign.progress, Counter(row.state for row in campaign.rows)
    counted = (progress.enqueued, progress.done, progress.failed, progress.cancelled)
    found = (
        len(campaign.rows),
        *(states[state.value] for state in (State.DONE, State.FAILED, State.CANCELLED)),
    )
    wrong = [] if counted == found else [f"counters {counted}, rows {found}"]
    last: dict[int, int] = {}
    number = 0
    for event in campaign.all_events():
        if Move(event.move) in ENDINGS:
            number += 1
            last[event.evaluation_id] = number
        elif event.move == Move.RERUN.value:
            last.pop(event.evaluation_id, None)
    if progress.finish_sequence != number:
        wrong.append(f"finish_sequence {progress.finish_sequence} after {number} endings")
    for row in campaign.rows:
        if row.finish_sequence != last.get(row.id):
            wrong.append(
                f"evaluation {row.id}: finish_sequence {row.finish_sequence}, ended as {last.get(row.id)}"
            )
    return wrong


def wrong_proposals(campaign: RecordedCampaign, budget: int, expected: Sequence[object]) -> list[str]:
    """A budget that is missed or exceeded, and proposals that no undisturbed search would have made.

    Args:
        expected: the configurations of an undisturbed search, by ordinal.
    """
    ordinals = [row.ordinal for row in campaign.rows]
    wrong = []
    if ordinals != list(range(budget)):
        wrong.append(f"budget {budget}, ordinals {ordinals}")
    for row in campaign.rows:
        if row.ordinal < len(expected) and dict(row.configuration) != expected[row.ordinal]:
            wrong.append(f"ordinal {row.ordinal} is not what an undisturbed search proposes")
    return wrong


def unfinished(campaign: RecordedCampaign) -> list[str]:
    """Evaluations that have not ended though nothing goes wrong any more."""
    return [
        f"evaluation {row.id} is still {row.state}, held by launcher {row.launcher_id}"
        for row in campaign.rows
        if not State(row.state).is_final
    ]
