"""The attempts that a launcher has leased, and how far it is with each; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ambs_hpc.launcher.executors.protocol import Interrupted
from ambs_hpc.records import Claim, Outcome

Pair = tuple[int, int]  # (id, attempt)
UNCONFIRMED = "lease was not confirmed"


class HeldLeases:
    """Moves attempts along; an evaluation has one at most, beside a former one that is leaving.

    leased ──▶ waiting ──start──▶ running ──take_ended, report──▶ ended ──note_recorded──▶ (told)
                  │                  │                              ▲
                  └────give_back─────│──────────────────────────────┘
                                     └─withdraw, compare──▶ leaving ──take_ended──▶ (gone)
    """

    def __init__(self) -> None:
        self._waiting: dict[int, Claim] = {}  # by evaluation, as all below
        self._running: dict[int, Claim] = {}
        self._leaving: set[int] = set()  # still being ended
        self._ended: list[Outcome | Interrupted] = []

    @property
    def waiting(self) -> Sequence[Claim]:
        """Leased and not started, in the order in which they were leased."""
        return list(self._waiting.values())

    @property
    def running(self) -> dict[int, Claim]:
        """Started, by evaluation."""
        return self._running

    @property
    def ended(self) -> Sequence[Outcome | Interrupted]:
        """What the queue is to be told, in the order in which it ended."""
        return list(self._ended)

    @property
    def occupies_slots(self) -> bool:
        """Whether anything runs, or is still being ended."""
        return bool(self._running or self._leaving)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, runs, or has to be recorded."""
        return not (self._waiting or self._ended or self.occupies_slots)

    def waits(self, evaluation_id: int) -> bool:
        """Whether an attempt of it waits to be started."""
        return evaluation_id in self._waiting

    def is_leaving(self, evaluation_id: int) -> bool:
        """Whether a former attempt of it is still being ended: a successor waits until it is gone."""
        return evaluation_id in self._leaving

    # -- what we do with them -----------------------------------------------------------------------

    def add(self, claims: Collection[Claim]) -> None:
        """They are ours, and wait to be started."""
        self._waiting.update((one.id, one) for one in claims)

    def start(self, claim: Claim) -> None:
        """One that waits runs."""
        del self._waiting[claim.id]
        self._running[claim.id] = claim

    def give_back(self, claim: Claim, reason: str) -> None:
        """One that waits is never started here."""
        del self._waiting[claim.id]
        self._ended.append(Interrupted(claim.id, claim.attempt, reason, started=False))

    def take_ended(self, evaluation_id: int, attempt: int) -> Claim | None:
        """An attempt is gone; returns its claim, or None where it was taken from us: the queue knows."""
        claim = self._running.get(evaluation_id)
        if claim is None or claim.attempt != attempt:
            self._leaving.discard(evaluation_id)
            return None
        return self._running.pop(evaluation_id)

    def report(self, ended: Outcome | Interrupted) -> None:
        """The queue is to be told how one of ours ended."""
        self._ended.append(ended)

    # -- what the queue says ------------------------------------------------------------------------

    def note_recorded(self, ended: Sequence[Outcome | Interrupted], given_back: Sequence[Claim]) -> None:
        """The queue knows of these: the first of what ended, and some that waited."""
        del self._ended[: len(ended)]
        for one in given_back:
            self._waiting.pop(one.id, None)

    def withdraw(self, ids: Collection[int]) -> list[int]:
        """Give up all attempts of these evaluations; returns those of which one runs and is to be ended."""
        for evaluation_id in ids:
            self._waiting.pop(evaluation_id, None)
        running = [evaluation_id for evaluation_id in self._running if evaluation_id in ids]
        for evaluation_id in running:
            del self._running[evaluation_id]
        self._leaving.update(running)
        return running

    def compare(self, held: Collection[Pair]) -> list[int]:
        """Give up what we do not hold by the queue's account, and give back what we did not know we hold.

        The second was leased by a commit of which we never had the answer.

        Returns:
            the evaluations that run and are to be ended.
        """
        known = {(one.id, one.attempt) for one in (*self._waiting.values(), *self._running.values())}
        lost = self.withdraw({evaluation_id for evaluation_id, _ in known.difference(held)})
        known.update((one.id, one.attempt) for one in self._ended)
        self._ended += [Interrupted(*pair, UNCONFIRMED, started=False) for pair in set(held) - known]
        return lost
