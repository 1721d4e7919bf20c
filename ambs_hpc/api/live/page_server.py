"""An HTTP server on the loopback address that gives one page and its changes, and takes nothing."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ambs_hpc.api.live.page_access import PageAccess, is_loopback_name
from ambs_hpc.api.live.shared_page import SharedPage
from ambs_hpc.errors import UsageError
from ambs_hpc.reporting.html.document import door_html

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 64
SOCKET_SECONDS = 20.0  # for a slow client to send the next piece of its request, or to take an answer
HEAD_SECONDS = 20.0  # for all of a request's head, however often a piece of it comes
ALIVE_SECONDS = 10.0  # between two signs of life to who waits for changes

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PageServer(ThreadingHTTPServer):
    """Serves a page on 127.0.0.1 to whoever has its key.

    Args:
        port: 0 for one that is free.

    Raises:
        UsageError: the port cannot be had.
    """

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS
    # A port that another program listens on is not shared with it.
    allow_reuse_port = False

    def __init__(self, page: SharedPage, access: PageAccess, port: int = 0) -> None:
        self.page, self.access = page, access
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((LOOPBACK, port), PageRequest)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"--port {port}: {error}. Give another one, or none for one that is free."
            ) from error

    @property
    def port(self) -> int:
        """On which it listens."""
        return int(self.server_address[1])

    @property
    def link(self) -> str:
        """The address with the key."""
        return f"http://{LOOPBACK}:{self.port}/{self.access.folder}/#{self.access.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, or close it where too many are open."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and free the place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""
        logger.debug("request ended early", exc_info=True)


class PageRequest(BaseHTTPRequestHandler):
    """One request; only GET is known, and all but the door wants the key."""

    server: PageServer
    server_version, sys_version = "ambs", ""
    timeout = SOCKET_SECONDS

    def setup(self) -> None:
        """Begin; a connection whose request takes too long is closed, so that its place is free."""
        super().setup()
        self._limit = threading.Timer(HEAD_SECONDS, self._hang_up)
        self._limit.daemon = True
        self._limit.start()

    def parse_request(self) -> bool:
        """Read the head, and be done with its limit."""
        try:
            return super().parse_request()
        finally:
            self._limit.cancel()

    def finish(self) -> None:
        """End, also where no request has come."""
        self._limit.cancel()
        super().finish()

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError):  # it has gone by itself
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        """Answer."""
        if not is_loopback_name(self.headers.get("Host")):
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 and localhost alone.")
            return
        asked = urlsplit(self.path)
        if asked.path == "/favicon.ico":  # which browsers ask for by themselves
            self._say(HTTPStatus.NO_CONTENT, "")
            return
        access, folder = self.server.access, f"/{self.server.access.folder}/"
        authorization = self.headers.get("Authorization")
        is_in = access.lets_in(authorization, self.headers.get("Cookie"))
        if asked.path == folder:
            self._page() if is_in else self._send(door_html().encode(), "text/html; charset=utf-8")
        elif asked.path == f"{folder}enter" and access.has_token(authorization):
            self._say(HTTPStatus.NO_CONTENT, "", {"Set-Cookie": access.cookie})
        elif not is_in:
            self._say(HTTPStatus.UNAUTHORIZED, "Open the link that ambs serve printed.")
        elif asked.path == f"{folder}page":
            self._page()
        elif asked.path == f"{folder}events":
            self._events(asked.query)
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _page(self) -> None:
        page = self.server.page.newest()
        if page is None:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, self.server.page.trouble or "The page takes too long.")
            return
        takes_gzip = "gzip" in (self.headers.get("Accept-Encoding") or "")
        more = {"Content-Encoding": "gzip"} if takes_gzip else {}
        body = page.compressed if takes_gzip else gzip.decompress(page.compressed)
        self._send(body, "text/html; charset=utf-8", more)

    def _events(self, query: str) -> None:
        """Server-Sent Events: `page` with the number of a newer page, `away` with why there is none."""
        seen = parse_qs(query).get("seen", ["0"])[0]
        version, trouble = (int(seen) if seen.isdecimal() and len(seen) < 10 else 0), ""
        page = self.server.page
        self._start(HTTPStatus.OK, "text/event-stream", {"X-Accel-Buffering": "no"})
        self._write(b"retry: 3000\n\n")
        with page.watching():
            while page.is_open:
                now, words = page.wait(version, trouble, ALIVE_SECONDS)
                if (now, words) == (version, trouble):
                    self._write(b": alive\n\n")
                if words != trouble and words:
                    self._event("away", {"words": words})
                if now != version or (trouble and not words):
                    self._event("page", {"version": now})
                version, trouble = now, words

    def _event(self, name: str, told: dict[str, object]) -> None:
        self._write(f"event: {name}\ndata: {json.dumps(told)}\n\n".encode())

    def _write(self, piece: bytes) -> None:
        self.wfile.write(piece)
        self.wfile.flush()

    def _say(self, status: HTTPStatus, words: str, more: dict[str, str] | None = None) -> None:
        self._send(f"{words}\n".encode() if words else b"", "text/plain; charset=utf-8", more, status)

    def _send(
        self,
        body: bytes,
        kind: str,
        more: dict[str, str] | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        length = {} if status is HTTPStatus.NO_CONTENT else {"Content-Length": str(len(body))}
        self._start(status, kind, {**length, **(more or {})})
        self._write(body)

    def _start(self, status: HTTPStatus, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **_HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what cannot be read, and every other method than GET, in a line of text."""
        words = "Only GET is answered here." if code == HTTPStatus.NOT_IMPLEMENTED else message or ""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._say(status, words, {"Allow": "GET"} if status is HTTPStatus.METHOD_NOT_ALLOWED else None)

    def log_message(self, format: str, *args: Any) -> None:
        """Write requests to the log of debugging alone: they name paths, and never the token."""
        logger.debug("request %s", format % args)


def tunnel_command(port: int, user: str, host: str | None = None) -> str:
    """The command that brings the port to a person's own machine."""
    name = socket.getfqdn()
    known = name if name not in ("localhost", "localhost.localdomain") else socket.gethostname()
    return f"ssh -N -L {port}:{LOOPBACK}:{port} {user}@{host or known}"
