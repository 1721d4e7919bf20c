"""Where transactions begin and end; everything else in this package takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from ambs_hpc.queue.sql.driver_errors import translated

# Execution options: begin with the write lock; take what passes for an absence (see `patient`).
WRITES, PATIENT = "ambs_writes", "ambs_patient"


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction that is committed at the end, or rolled back when the block raises.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a lock asked for later, after a read, can
    fail at once instead of waiting.

    Raises:
        DatabaseUnreachable: no answer; whether a commit arrived is then unknown, so verbs are made to be
            repeated. Long-running programs wait and try again.
        DatabaseLocked: another transaction was in the way for too long, or in a circle; try again.
    """
    with (
        translated(engine.url, is_patient=_is_patient(engine)),
        engine.connect().execution_options(**{WRITES: True}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that the database itself keeps from writing.

    Raises:
        DatabaseUnreachable: no answer.
    """
    with (
        translated(engine.url, is_patient=_is_patient(engine)),
        engine.connect().execution_options(postgresql_readonly=True) as connection,
        connection.begin(),
    ):
        yield connection


def patient(engine: Engine) -> Engine:
    """The engine for a long-running program that has been connected.

    What refuses a connection now did not before (a name service, a full server, a certificate, tables that
    are being restored), so it is taken for DatabaseUnreachable, which such a program waits for.
    """
    return engine.execution_options(**{PATIENT: True})


def _is_patient(engine: Engine) -> bool:
    return bool(engine.get_execution_options().get(PATIENT))
