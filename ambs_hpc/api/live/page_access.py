"""Who may read a served page: checks of one request's headers, without a socket."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
MOST_OF_COOKIES = 16_384  # characters that are looked at
_COOKIE = "ambs_page"


@dataclass(frozen=True, slots=True)
class PageAccess:
    """The key of one server: a token for whoever started it, and a cookie that stands for it in a browser.

    Args:
        token: 192 random bits. It travels behind the # of the link, which browsers send to nobody, and once
            in a header.
        folder: first part of the path of all pages. Browsers send the cookie below it alone, so that no other
            program that they talk to on the same host gets it.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    folder: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def cookie(self) -> str:
        """The header's value that lets the browser in; who reads it has not the token."""
        attributes = f"Path=/{self.folder}/; HttpOnly; SameSite=Strict"
        return f"{_COOKIE}={self._cookie_value}; {attributes}"

    @property
    def _cookie_value(self) -> str:
        return hmac.new(self.token.encode(), b"cookie", hashlib.sha256).hexdigest()

    def has_token(self, authorization: str | None) -> bool:
        """Whether the Authorization header is the token's; it takes as long whatever is in it."""
        return _same(authorization or "", f"Bearer {self.token}")

    def lets_in(self, authorization: str | None, cookies: str | None) -> bool:
        """Whether a request with these headers may read."""
        # Not by http.cookies, which gives up all where one of another program on this host is odd.
        pairs = [one.strip().partition("=") for one in (cookies or "")[:MOST_OF_COOKIES].split(";")]
        given = next((value for name, _, value in pairs if name == _COOKIE), "")
        has_cookie = _same(given, self._cookie_value)
        return self.has_token(authorization) or has_cookie


def is_loopback_name(host: str | None) -> bool:
    """Whether a Host header names this machine itself, on any port: one behind a tunnel may be another.

    A page of elsewhere whose name was made to lead here (DNS rebinding) comes with its own name.
    """
    name, colon, port = (host or "").rpartition(":")
    if not colon or port.endswith("]"):
        name, port = host or "", ""
    return name.lower() in LOOPBACK_NAMES and (not port or (port.isascii() and port.isdecimal()))


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
