"""The roles of a private PostgreSQL: what each may do, made by its superuser while the server is down.

The owner makes and migrates tables. The runner works on rows, as searches and launchers do. The reader reads.
"""

from __future__ import annotations

import secrets

from ambs_hpc.errors import DatabaseRefused
from ambs_hpc.postgres_server.files import DATABASE, OWNER_ROLE, ROLES, ServerFolder, write_private
from ambs_hpc.postgres_server.programs import Programs

READER_CONNECTIONS = 20  # of the server's 200, so that readers cannot keep launchers out
READER_STATEMENT_SECONDS = 600

# PUBLIC may call these, though each acts on other sessions or makes something. Owner and runner keep them.
_NOT_FOR_READERS = (
    r"pg_(terminate|cancel)_backend|pg_notify|pg_(try_)?advisory_.*|lo_(creat|create|from_bytea|import|put|unlink)"
    r"|lowrite|pg_log_backend_memory_contexts|pg_export_snapshot"
)


def make_roles(folder: ServerFolder, programs: Programs) -> None:
    """Make the roles that have no password file yet, with their rights; the server must be down.

    Raises:
        DatabaseRefused: PostgreSQL did not; nothing secret is in the message.
    """
    missing = [name for name in ROLES if not folder.password_file(name).is_file()]
    if not missing:
        return
    passwords = {name: secrets.token_urlsafe(24) for name in missing}
    statements = [
        *(line for name in missing for line in _creation(ROLES[name], passwords[name])),
        *_rights(),
    ]
    run_single_user(folder, programs, DATABASE, statements, tuple(passwords.values()))
    for name, password in passwords.items():
        write_private(folder.password_file(name), f"*:*:*:{ROLES[name]}:{password}\n")


def run_single_user(
    folder: ServerFolder,
    programs: Programs,
    database: str,
    statements: list[str],
    hidden: tuple[str, ...],
) -> None:
    """Run statements, one line each, as the superuser of a server that is down.

    Args:
        hidden: passwords in the statements; none is shown, neither in an error nor in a log.

    Raises:
        DatabaseRefused: one failed; the rest was not run.
    """
    # Single-user mode reads statements from its input: the password is on no command line and in no log.
    arguments = ("--single", "-D", str(folder.data), "-c", "password_encryption=scram-sha-256")
    quiet = ("-c", "log_statement=none", "-c", "log_min_error_statement=panic", "-c", "exit_on_error=on")
    try:
        programs.run("postgres", *arguments, *quiet, database, input_text="\n".join([*statements, ""]))
    except DatabaseRefused as error:
        said = str(error)
        for secret in hidden:
            said = said.replace(secret, "...")
        raise DatabaseRefused(f"PostgreSQL could not make its roles: {said}") from None


def _creation(role: str, password: str) -> list[str]:
    """A role without rights; one that an interrupted attempt left gets the new password."""
    return [
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN "
        f"CREATE ROLE {role}; END IF; END $$;",
        f"ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{password}';",
    ]


def _rights() -> list[str]:
    """The rights of runner and reader, on what there is and on what the owner will make."""
    runner, reader = ROLES["runner"], ROLES["reader"]
    both = f"{runner}, {reader}"
    rows, numbers = "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT, UPDATE"
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER_ROLE} IN SCHEMA public GRANT"
    return [
        f"REVOKE CREATE, TEMPORARY ON DATABASE {DATABASE} FROM PUBLIC;",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;",  # PostgreSQL 13 and 14 let everybody
        f"GRANT CONNECT ON DATABASE {DATABASE} TO {both};",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER_ROLE};",
        f"GRANT USAGE ON SCHEMA public TO {both};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader};",
        f"GRANT {rows} ON ALL TABLES IN SCHEMA public TO {runner};",
        f"GRANT {numbers} ON ALL SEQUENCES IN SCHEMA public TO {runner};",
        f"{later} SELECT ON TABLES TO {reader};",
        f"{later} {rows} ON TABLES TO {runner};",
        f"{later} {numbers} ON SEQUENCES TO {runner};",
        _take_functions_from_readers(f"{OWNER_ROLE}, {runner}"),
        f"ALTER ROLE {reader} CONNECTION LIMIT {READER_CONNECTIONS};",
        # A role may change these for its own session: they end what was forgotten, not what is meant.
        f"ALTER ROLE {reader} SET statement_timeout = '{READER_STATEMENT_SECONDS}s';",
        f"ALTER ROLE {reader} SET idle_in_transaction_session_timeout = '{READER_STATEMENT_SECONDS}s';",
    ]


def _take_functions_from_readers(keepers: str) -> str:
    return (
        "DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = "
        f"'pg_catalog'::regnamespace AND proname ~ '^({_NOT_FOR_READERS})$' LOOP "
        "EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f); "
        f"EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO {keepers}', f); END LOOP; END $$;"
    )
