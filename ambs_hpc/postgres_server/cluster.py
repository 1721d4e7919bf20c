"""Creates what a private PostgreSQL needs before its first start: a cluster, a password, a certificate."""

from __future__ import annotations

import pwd
import secrets
import shutil
import subprocess

from ambs_hpc.errors import DatabaseError, DatabaseRefused, UsageError
from ambs_hpc.postgres_server.files import (
    DATABASE,
    OWNER_ROLE,
    ServerFolder,
    is_certificate,
    names_of_this_host,
    write_private,
)
from ambs_hpc.postgres_server.programs import Programs
from ambs_hpc.postgres_server.roles import run_single_user

CERTIFICATE_DAYS = 3650
_ADMINISTRATOR = "ambs_admin"  # owns the cluster and cannot log in: no access rule lets it


def make_cluster(folder: ServerFolder, programs: Programs) -> None:
    """Create data directory, owner, database and password; what an interrupted attempt left is replaced."""
    if folder.url.is_file():
        raise DatabaseRefused(
            f"{folder.data} is gone, but {folder.url} is there. Restore it, or remove {folder.path}."
        )
    shutil.rmtree(folder.data, ignore_errors=True)
    folder.data.mkdir(mode=0o700)
    programs.own(folder.data)
    if programs.user is not None:
        _check_reachable(folder, programs.user)
    programs.run(
        *("initdb", "-D", str(folder.data), "-U", _ADMINISTRATOR, "-A", "reject", "-E", "UTF8"),
        *("--locale=C", "--data-checksums", "--no-instructions", "--no-sync"),
    )
    password = secrets.token_urlsafe(24)
    statements = [
        f"CREATE ROLE {OWNER_ROLE} LOGIN CREATEDB PASSWORD '{password}';",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE} TEMPLATE template0;",
    ]
    run_single_user(folder, programs, "template1", statements, (password,))
    write_private(folder.passwords, f"*:*:*:{OWNER_ROLE}:{password}\n")


def make_certificate(folder: ServerFolder, programs: Programs) -> bool:
    """Make sure that there is a certificate for this host; False when this PostgreSQL cannot have TLS."""
    library = programs.run("postgres", "-D", str(folder.data), "-C", "ssl_library").strip()
    openssl = shutil.which("openssl", path=programs.search_path)
    if not library or openssl is None:
        return False
    names = ",".join(names_of_this_host())
    names_file = folder.data / "server.names"
    made_for = names_file.read_text() if names_file.is_file() else ""
    if made_for == names and folder.key.is_file() and is_certificate(folder.certificate):
        return True
    done = subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(CERTIFICATE_DAYS)),
            *("-subj", "/CN=ambs", "-addext", f"subjectAltName={names}"),
            *("-keyout", str(folder.key), "-out", str(folder.certificate)),
        ],
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )
    if done.returncode != 0:
        raise DatabaseError(f"openssl could not make a certificate: {done.stderr.strip()[-500:]}")
    shutil.copyfile(folder.certificate, folder.data / "server.crt")
    for file in (folder.key, folder.data / "server.crt"):
        file.chmod(0o600)
        programs.own(file)
    folder.certificate.chmod(0o644)
    names_file.write_text(names)
    return True


def _check_reachable(folder: ServerFolder, user: pwd.struct_passwd) -> None:
    for parent in [folder.path, *folder.path.parents]:
        mode = parent.stat().st_mode
        if parent == folder.path and parent.stat().st_uid == 0:
            parent.chmod(mode | 0o011)  # what is secret in it has a mode of its own
        elif not mode & 0o001 and parent.stat().st_uid != user.pw_uid:
            raise UsageError(
                f"As root, the server runs as {user.pw_name}, who may not enter {parent}. Choose another "
                "folder, or run as an ordinary user."
            )
