"""Calls to the database that nobody waits for longer than he likes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from ambs_hpc.errors import DatabaseUnreachable

Result = TypeVar("Result")


class DatabaseAnswer(Generic[Result]):
    """What a call gives, once it has ended."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        """Make the call; whatever it raises is kept for `result`."""
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001  raised again where the result is asked for
            self._error = error
        self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Whether the call has ended, waiting at most so long."""
        return self._ended.wait(seconds)

    def result(self) -> Result:
        """What the call returned, or raises what it raised; only after it has ended."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # None only where the call returns it


class DatabaseCalls(Protocol):
    """Makes calls, one at a time."""

    def begin(self, call: Callable[[], Result]) -> DatabaseAnswer[Result]:
        """Begin a call.

        Raises:
            DatabaseUnreachable: the one before has not ended.
        """
        ...


class CallsAtOnce:
    """Every call has ended when `begin` returns."""

    def begin(self, call: Callable[[], Result]) -> DatabaseAnswer[Result]:
        answer = DatabaseAnswer(call)
        answer.run()
        return answer


class CallsBeside:
    """Calls are made in a thread of their own, which may be lost in the driver for as long as it likes.

    Somebody's forgotten lock, a server that was stopped or a network that swallows packets must not keep a
    launcher from its signals and its walltime.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[DatabaseAnswer[object]] = SimpleQueue()
        self._last: DatabaseAnswer[object] | None = None
        threading.Thread(target=self._serve, daemon=True, name="database").start()

    def begin(self, call: Callable[[], Result]) -> DatabaseAnswer[Result]:
        if self._last is not None and not self._last.wait(0.0):
            raise DatabaseUnreachable("the database has not answered the call before")
        answer = DatabaseAnswer(call)
        self._last = answer  # type: ignore[assignment]  # of whatever kind
        self._calls.put(answer)  # type: ignore[arg-type]
        return answer

    def _serve(self) -> None:
        while True:
            self._calls.get().run()


class OpenCall:
    """The call that is under way, if there is one, and who hears its answer."""

    def __init__(self) -> None:
        self._answer: DatabaseAnswer[Any] | None = None
        self._hear: Callable[[Any], object] = lambda _result: None

    @property
    def is_open(self) -> bool:
        """Whether a call has begun of which nobody has heard the answer."""
        return self._answer is not None

    def open(self, answer: DatabaseAnswer[Result], hear: Callable[[Result], object]) -> None:
        """A call has begun; `hear` gets its result, or nothing where it fails."""
        self._answer, self._hear = answer, hear

    def hear_within(self, seconds: float) -> None:
        """Have the answer heard, if there is one within so many seconds.

        Raises:
            what the call raised: it is over then too.
        """
        answer = self._answer
        if answer is not None and answer.wait(seconds):
            self._answer = None
            self._hear(answer.result())
