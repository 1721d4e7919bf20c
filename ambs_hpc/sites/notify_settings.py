"""`notify` in `ambs.yml`: who is told what; believed only of files that nobody else can write."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from ambs_hpc.errors import UsageError
from ambs_hpc.schedulers import registered
from ambs_hpc.sites.profile import Site
from ambs_hpc.sites.yaml_file import is_ours_alone

ADDRESS = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+\Z")
Event = Literal["best", "failure", "waiting", "budget", "done"]
EVENTS: tuple[Event, ...] = ("best", "failure", "waiting", "budget", "done")
MOST_URL_BYTES = 4096


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who is told, and of what.

    Args:
        command: a program and its arguments, run in this folder; it gets the notice on standard input.
        webhook: the http(s) address to which the notice is posted.
        webhook_file: a file, of this folder or absolute, that has this address in it: it may be a secret.
        mail: the address to which the scheduler writes when an allocation ends or fails.
        events: of what command and webhook are told; all by default.
    """

    command: list[str] = []
    webhook: str = ""
    webhook_file: str = ""
    mail: str = ""
    events: list[Event] = msgspec.field(default_factory=lambda: list(EVENTS))

    @property
    def tells(self) -> bool:
        """Whether anybody but the scheduler is to tell."""
        return bool((self.command or self.webhook or self.webhook_file) and self.events)


def wrong_notify(notify: Notify) -> tuple[str, str] | None:
    """The first key whose value cannot be, and why; None where all can."""
    if any(not one or "\0" in one for one in notify.command):
        return "command", "a program and its arguments, none of them empty, as [./tell.sh, me]"
    if notify.webhook and not is_web_address(notify.webhook):
        return "webhook", "give an address that begins with https:// or http://"
    if notify.webhook and notify.webhook_file:
        return "webhook_file", "give the address here or in `webhook`, not both"
    if notify.mail and not ADDRESS.match(notify.mail):
        return "mail", f"{notify.mail!r} is not one address, as me@example.org"
    return None


def is_web_address(text: str) -> bool:
    """Whether notices can be posted to it."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()
    except ValueError:
        return False


def is_only_ours(file: Path) -> bool:
    """Whether the file is this user's, and nobody else can write it; nor is it somebody's link to one."""
    try:
        return file.lstat().st_uid == os.getuid() and is_ours_alone(file.stat())
    except OSError:
        return False


def webhook_address(notify: Notify, folder: Path) -> str:
    """The address to which notices are posted; "" for none.

    Raises:
        UsageError: its file cannot be read, holds none, or others can read or write it.
    """
    if not notify.webhook_file:
        return notify.webhook
    file = folder / Path(notify.webhook_file).expanduser()
    if not is_only_ours(file) or file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise UsageError(f"notify.webhook_file {file}: own it and `chmod 600` it; it is not used before.")
    with file.open(encoding="utf-8", errors="replace") as opened:
        address = opened.read(MOST_URL_BYTES).strip()
    if not is_web_address(address):
        raise UsageError(f"notify.webhook_file {file}: put one address in it that begins with https://")
    return address


def with_mail(site: Site, address: str) -> Site:
    """The site with directives by which its scheduler writes to the address when an allocation ends.

    Raises:
        UsageError: its scheduler does not do so by directives.
    """
    if not address:
        return site
    words = registered(site.scheduler).mail
    if not words:
        raise UsageError(
            f"notify.mail: {site.scheduler} takes no directive for mail. Remove `mail` from `notify` in "
            "ambs.yml, and use `command` or `webhook`."
        )
    lines = [word.format(address=address) for word in words]
    return msgspec.structs.replace(site, directives=[*site.directives, *lines])
