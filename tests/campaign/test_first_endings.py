"""A search stops where nothing succeeds, and never because of what merely ends first."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.campaign.first_endings import FirstEndings, Hopeless
from ambs_hpc.records import Finished
from ambs_hpc.states import State


def failed(ordinal: int, words: str = "KeyError: 'lr'", kind: str = "ERROR") -> Finished:
    return Finished(ordinal + 1, 100 + ordinal, ordinal, {}, State.FAILED, None, kind, words)


def ended(ordinal: int, state: State) -> Finished:
    return Finished(ordinal + 1, 100 + ordinal, ordinal, {}, state, 0.5 if state is State.DONE else None)


def verdict(endings: Sequence[Finished], after: int | None = 3) -> Hopeless | None:
    judge = FirstEndings(after)
    for one in endings:
        judge.note([one])
    return judge.verdict


def test_the_first_that_fail_alike_are_hopeless() -> None:
    """Whatever else differs in the words of an exception."""
    words = ["ValueError: relu", "ValueError: tanh", "ValueError: gelu at #"]
    assert verdict([failed(n, text) for n, text in enumerate(words)]) == Hopeless(3, 102)
    assert verdict([failed(n) for n in range(2)]) is None
    assert verdict([failed(n) for n in range(3)], after=None) is None


def test_different_failures_are_no_verdict() -> None:
    """A space may have many ways to fail, and good places."""
    assert verdict([failed(0), failed(1, "ValueError: x"), failed(2), failed(3), failed(4)]) is None
    assert (
        verdict([failed(0, "", "TIMEOUT"), failed(1, "", "OUT_OF_MEMORY"), failed(2, "", "TIMEOUT")]) is None
    )


def test_one_success_is_hope_for_ever() -> None:
    """Whenever it comes, and however many fail afterwards."""
    assert verdict([failed(0), ended(1, State.DONE), *(failed(n) for n in range(2, 9))]) is None
    judge = FirstEndings(3, has_succeeded=True)
    judge.note([failed(n) for n in range(9)])
    assert judge.verdict is None


def test_what_fails_fast_does_not_condemn_what_runs() -> None:
    """Half of a space fails at once and half takes hours: the first that still runs is waited for."""
    assert verdict([failed(n) for n in range(1, 50)]) is None
    assert verdict([*(failed(n) for n in range(1, 50)), failed(0)]) == Hopeless(3, 102)


def test_what_ended_before_this_search_began_does_not_count() -> None:
    """The same command again, after the cause was mended, must go on."""
    judge = FirstEndings(3, range(40))
    judge.note([failed(40), failed(41)])
    assert judge.verdict is None
    judge.note([failed(42)])
    assert judge.verdict == Hopeless(3, 142)


def test_reruns_count_again_and_cancelled_ones_never() -> None:
    """A rerun is a new start, a person's cancelling is no failure."""
    judge = FirstEndings(3, range(2))
    judge.note([failed(0), failed(1), ended(2, State.CANCELLED)])
    assert judge.verdict is None
    judge.note([failed(3)])
    assert judge.verdict == Hopeless(3, 103)


def test_another_cause_after_a_rerun_is_no_verdict_any_more() -> None:
    """A person has mended one cause and met another: that is work in progress."""
    endings = FirstEndings(3)
    endings.note([failed(0), failed(1), failed(2)])
    assert endings.verdict == Hopeless(3, 102)
    endings.note([failed(1, "ValueError: lr")])
    assert endings.verdict is None


def test_what_was_hopeless_before_a_rebuild_still_is() -> None:
    """A search that begins again from its rows has not begun again for the person; a success settles it."""
    before = FirstEndings(3)
    before.note([failed(0), failed(1), failed(2)])
    rebuilt = FirstEndings(3, [0, 1, 2])
    rebuilt.keep_verdict_of(before)
    rebuilt.note([])
    assert rebuilt.verdict == Hopeless(3, 102)
    rebuilt.note([ended(3, State.DONE)])
    assert rebuilt.verdict is None
    settled = FirstEndings(3, [0, 1, 2], has_succeeded=True)
    settled.keep_verdict_of(before)
    assert settled.verdict is None
