"""From a URL to an engine that is ready for the verbs: found, reachable, of the right schema."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import StaticPool

from ambs_hpc.errors import DatabaseRefused, DatabaseUnreachable, NetworkFileSystem, UsageError
from ambs_hpc.file_systems import network_file_system
from ambs_hpc.queue.sql import schema_version
from ambs_hpc.queue.sql.driver_errors import shown, translated
from ambs_hpc.queue.sql.resting_file import read_at_rest
from ambs_hpc.queue.sql.stored_values import read_json
from ambs_hpc.queue.sql.transactions import WRITES

VARIABLE = "AMBS_DB"
DEFAULT_FILE = "ambs.db"
CONNECTION_FILE = Path("ambs-db") / "url"  # written by `ambs db start`; holds no password
OLDEST_POSTGRESQL = 13
OLDEST_SQLITE = (3, 35)  # RETURNING
# Every wait has an end, of which long-running programs try again.
LOCK_WAIT_SECONDS = 10.0
STATEMENT_SECONDS = 120.0
IDLE_IN_TRANSACTION_SECONDS = 60.0  # ours hold none open while anything else happens
CONNECT_SECONDS = 10
# Parts of a connection string: as the name of a file, each would be shown with the password in it.
_NO_PATH = re.compile(
    r"^\s*(jdbc:)?(postgres(ql)?|sqlite)(\+\w+)?:|\b(password|passwd|dbname|host)\s*=", re.I
)
_SECRET_NAME = re.compile(r"password|passwd|secret|token|^dsn$", re.IGNORECASE)
_UNREADABLE = (
    "The database URL cannot be read. Write sqlite:///FILE or postgresql://USER@HOST:PORT/NAME; "
    "percent-encode special characters of a password, or better keep it in ~/.pgpass."
)


def database_url(given: str | None, environment: Mapping[str, str], directory: Path | str) -> str:
    """The database to use: `given`, else $AMBS_DB, else a private server of the folder, else its ambs.db.

    Args:
        given: a URL (sqlite, postgres, postgresql), a SQLite file, or the folder of an `ambs db start`.
        environment: where $AMBS_DB may stand.
        directory: the campaign folder; relative files are taken from here.

    Raises:
        UsageError: a URL of another kind.
    """
    folder = Path(directory).absolute()
    text = (given or environment.get(VARIABLE) or "").strip()
    if not text:
        connection_file = folder / CONNECTION_FILE
        return _read(connection_file) if connection_file.is_file() else _sqlite(folder / DEFAULT_FILE)
    if "://" not in text:
        if _NO_PATH.search(text):
            raise UsageError(_UNREADABLE)
        return _from_path(folder / Path(text).expanduser())
    url = _parsed(text)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return _text(url.set(database=str(folder / str(url.database))))
    return _text(url)


def open_database(url: str, *, create: bool = True, allow_network_file_system: bool = False) -> Engine:
    """An engine whose tables are there and of this program's schema.

    Args:
        url: as `database_url` takes it. The execution option `clock` of the engine, set afterwards,
            overrules the database's clock.
        create: make the tables (and the SQLite file) where there are none; else their absence is an error.
        allow_network_file_system: trust the locks of a network file system, at one's own risk.

    Raises:
        DatabaseUnreachable, DatabaseRefused, DatabaseLocked, SchemaMismatch, NetworkFileSystem: each with its
            own remedy, and none with the password.
    """
    parsed = _parsed(database_url(url, {}, Path.cwd()))
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite_engine(parsed, create, allow_network_file_system)
    else:
        engine = _postgresql_engine(parsed)
    try:
        schema_version.check_or_create(engine, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def forbid_writes(engine: Engine) -> Engine:
    """The engine as one whose database refuses whatever would change it."""
    if engine.dialect.name != "sqlite":
        return engine.execution_options(postgresql_readonly=True)
    engine.dispose()  # connections that are open were set up before

    @event.listens_for(engine, "connect")
    def read_only(connection: Any, record: object) -> None:
        connection.execute("PRAGMA query_only=ON").close()

    return engine


def upgrade_database(url: str) -> tuple[str, str]:
    """Bring the tables to this program's schema; returns the old revision ("" for none) and the new one."""
    parsed = _parsed(database_url(url, {}, Path.cwd()))
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite_engine(parsed, create=False, allow_network=True)
    else:
        engine = _postgresql_engine(parsed)
    try:
        return schema_version.upgrade(engine)
    finally:
        engine.dispose()


def _sqlite_engine(url: URL, create: bool, allow_network: bool) -> Engine:
    import sqlite3

    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise DatabaseRefused(
            f"This Python's SQLite is {sqlite3.sqlite_version}; 3.35 is needed. Use another, or PostgreSQL."
        )
    if url.database in (None, "", ":memory:"):
        same_thread = {"check_same_thread": False}
        memory = create_engine(
            url, poolclass=StaticPool, connect_args=same_thread, json_deserializer=read_json
        )
        _begin_by_hand(memory, journal_mode="memory")
        return memory
    network = _checked_file(Path(str(url.database)), create, allow_network)
    waits = {} if "timeout" in url.query else {"timeout": LOCK_WAIT_SECONDS}
    engine = create_engine(url, connect_args=waits, json_deserializer=read_json)
    # WAL shares memory between the processes of one host, which a network file system does not give.
    _begin_by_hand(engine, journal_mode="delete" if network else "wal")
    _watch_file(engine, Path(str(url.database)))
    read_at_rest(engine, Path(str(url.database)))
    return engine


def _watch_file(engine: Engine, file: Path) -> None:
    """Notice that the file was removed or replaced: writes would go into one that has no name any more."""
    seen: list[tuple[int, int]] = []

    def current() -> tuple[int, int] | None:
        try:
            status = file.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatabaseUnreachable(f"{file} cannot be looked at now: {error}") from error
        return status.st_dev, status.st_ino

    @event.listens_for(engine, "do_connect")
    def refuse_to_make_it_again(*_: object) -> None:
        if seen and current() is None:
            raise _removed(file)

    @event.listens_for(engine, "connect")
    def remember(_connection: object, record: Any) -> None:
        record.info["file"] = current()
        seen.append(record.info["file"])

    @event.listens_for(engine, "checkout")
    def compare(_connection: object, record: Any, _proxy: object) -> None:
        found = current()
        if found is None:
            raise _removed(file)
        if found != record.info["file"]:
            raise DisconnectionError  # the pool opens the new file instead


def _removed(file: Path) -> DatabaseRefused:
    return DatabaseRefused(
        f"{file} was removed or moved while it was in use: nothing can be stored any more. Put it back, or "
        "begin anew. Results of evaluations that ended since lie in their folders."
    )


def _checked_file(file: Path, create: bool, allow_network: bool) -> bool:
    """Whether the file lies on a network file system; anything else that is wrong with it raises."""
    network = network_file_system(file)
    if network and not allow_network:
        raise NetworkFileSystem(
            f"{file} lies on {network}, whose locks SQLite cannot trust: several writers would corrupt it. "
            "Put it on a local disk (--db /local/ambs.db), or start PostgreSQL with `ambs db start`."
        )
    if not file.parent.is_dir():
        raise DatabaseRefused(
            f"The folder {file.parent} of {file.name} does not exist. Make it, or correct --db."
        )
    if file.exists() and not file.is_file():
        raise DatabaseRefused(f"{file} is a folder, a pipe or a device. Give a file to --db, as ambs.db.")
    if not create and not file.exists():
        raise DatabaseRefused(
            f"There is no database {file}. Start a campaign here, or give --db or $AMBS_DB.", passes=True
        )
    return network is not None


def _set_journal_mode(cursor: Any, journal_mode: str) -> None:
    """Set the journal mode; where several programs meet a new file, SQLite refuses instead of waiting."""
    import sqlite3

    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != journal_mode:
                cursor.execute(f"PRAGMA journal_mode={journal_mode}")
            return
        except sqlite3.OperationalError as error:
            if "readonly" in str(error):
                return  # it is read as it is; what would write is refused
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin_by_hand(engine: Engine, journal_mode: str) -> None:
    """Take BEGIN away from the driver, which would start transactions late and without the write lock."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        _set_journal_mode(cursor, journal_mode)
        # In WAL mode NORMAL cannot corrupt the file; a power cut may undo the last commits, which costs
        # little: results lie on disk before they are reported here. FULL costs an fsync for every commit.
        cursor.execute("PRAGMA synchronous=" + ("NORMAL" if journal_mode == "wal" else "FULL"))
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-32768")  # KiB
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_engine(url: URL) -> Engine:
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "ambs",
        # A server whose machine died sends nothing: without these a launcher would wait for hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,  # ms
    }
    engine = create_engine(
        url,
        connect_args={name: value for name, value in defaults.items() if name not in url.query},
        pool_size=2,
        insertmanyvalues_page_size=1000,
        json_deserializer=read_json,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            # The planner shall trust indexes: our rows are in memory, and before its first statistics it
            # takes a queue of thousands for a handful, which it then collects and sorts at each claim. Not by
            # the connection's `options`, which poolers refuse.
            cursor.execute("SET random_page_cost = 1.1; SET enable_bitmapscan = off; SET jit = off")
            # Somebody's open psql must not hold us for ever, nor a stopped program of ours the others.
            cursor.execute(
                f"SET lock_timeout = '{LOCK_WAIT_SECONDS:g}s'; "
                f"SET statement_timeout = '{STATEMENT_SECONDS:g}s'; "
                f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS:g}s'"
            )
        connection.commit()

    with translated(url), engine.connect() as connection:
        version = int((connection.dialect.server_version_info or (0,))[0])
    if version < OLDEST_POSTGRESQL:
        engine.dispose()
        raise DatabaseRefused(
            f"{shown(url)} is PostgreSQL {version}; version {OLDEST_POSTGRESQL} or newer is needed."
        )
    return engine


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError(_UNREADABLE) from None
    if "\0" in f"{url.username}{url.password}{url.host}{url.database}{url.query}":
        raise UsageError(_UNREADABLE)
    if url.drivername == "postgres" or url.drivername.partition("+")[0] == "postgresql":
        # Whatever driver it names for other programs: SQLAlchemy's default changes with its version.
        return _with_password_in_its_place(url.set(drivername="postgresql+psycopg2"))
    if url.get_backend_name() == "sqlite":
        return url
    raise UsageError(f"Databases of kind {url.drivername!r} are not supported. Accepted: sqlite, postgresql.")


def _with_password_in_its_place(url: URL) -> URL:
    """A password that stands in the query, as libpq takes it, is masked nowhere: move it before the host."""
    query = {name: value for name, value in url.query.items() if name != "password"}
    for name in query:
        if _SECRET_NAME.search(name):
            raise UsageError(
                f"The database URL has {name} in its query, where it would be shown. Keep passwords in "
                "~/.pgpass, and such a setting in ~/.pg_service.conf (?service=NAME)."
            )
    password = url.query.get("password")
    if password is None:
        return url
    one = password if isinstance(password, str) else password[-1]
    return url.set(username=url.username or "", password=one, query=query)  # without a user it would be lost


def _from_path(path: Path) -> str:
    if path.is_dir():
        inside = [path / CONNECTION_FILE, path / CONNECTION_FILE.name]
        found = next((file for file in inside if file.is_file()), None)
        return _read(found) if found else _sqlite(path / DEFAULT_FILE)
    if path.name == CONNECTION_FILE.name and path.is_file():
        return _read(path)
    return _sqlite(path)


def _read(connection_file: Path) -> str:
    return _text(_parsed(connection_file.read_text().strip()))


def _sqlite(file: Path) -> str:
    return _text(URL.create("sqlite", database=str(file)))


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
