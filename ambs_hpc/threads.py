"""Threads of numeric libraries: the variables that they read when imported, and a limit while they run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class _Loaded:
    """The thread pools of the libraries that are loaded; looking for them again takes a millisecond."""

    controller: ThreadpoolController | None = None
    modules = 0

    @classmethod
    def pools(cls) -> Any:
        if cls.controller is None or cls.modules != len(sys.modules):
            from threadpoolctl import ThreadpoolController

            cls.controller, cls.modules = ThreadpoolController(), len(sys.modules)
        return cls.controller


@contextmanager
def one_thread() -> Iterator[None]:
    """Numeric libraries use one thread inside, and as many as before afterwards.

    The search multiplies matrices of a hundred rows. OpenBLAS and OpenMP would wake a thread on every core
    for each, and let it spin: six times the processor time, taken from evaluations, for nothing.
    A library that is imported inside is limited from the next time on.
    """
    with _Loaded.pools().limit(limits=1):
        yield
