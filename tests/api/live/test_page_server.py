"""Who gets the served page, what else is refused, and how many times it is made."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text

from ambs_hpc.api.live.page_access import PageAccess, is_loopback_name
from ambs_hpc.api.live.page_server import MOST_CONNECTIONS, PageServer, tunnel_command
from ambs_hpc.api.live.report_record import live_page, page_stamp
from ambs_hpc.api.live.shared_page import NO_ANSWER, SharedPage
from ambs_hpc.cli.commands.serve import shared_page
from ambs_hpc.errors import DatabaseError, DatabaseUnreachable, UsageError
from ambs_hpc.queue import claim, complete, forbid_writes, reading, transaction
from ambs_hpc.reporting.html.document import report_html
from tests.queue import stock
from tests.reporting.chromium import PROGRAM, browser
from tests.reporting.records import evaluation, record


class Campaign:
    """What a page is made from, by hand; `made` counts."""

    def __init__(self) -> None:
        self.number, self.is_away = 3, False

    def stamp(self) -> int:
        if self.is_away:
            raise DatabaseUnreachable("It is away.")
        return self.number

    def make(self, version: int) -> str:
        rows = [evaluation(number, float(number)) for number in range(1, self.number + 1)]
        return report_html(record(rows), live_version=version)


@contextmanager
def served(campaign: Campaign) -> Iterator[PageServer]:
    page = SharedPage(campaign.stamp, campaign.make, 0.05)
    server = PageServer(page, PageAccess())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        page.close()
        server.shutdown()
        server.server_close()


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


@pytest.fixture
def server(campaign: Campaign) -> Iterator[PageServer]:
    with served(campaign) as made:
        yield made


def asked(
    server: PageServer, place: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    """The answer to one request below the server's folder; "/x" is taken as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    path = place if place.startswith("/") else f"/{server.access.folder}/{place}"
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def bearer(server: PageServer) -> str:
    return f"Bearer {server.access.token}"


def test_only_the_key_opens_the_page(server: PageServer) -> None:
    """On a login node everybody can reach the port."""
    status, _, door = asked(server, "")
    assert (status, "net" in door, "data-progress" in door) == (200, False, False)
    wrong = (
        "",
        "Bearer ",
        "Bearer x",
        bearer(server)[:-1],
        f"{bearer(server)}x",
        f"Basic {server.access.token}",
    )
    assert {asked(server, "page", Authorization=one)[0] for one in wrong} == {401}
    assert {asked(server, place)[0] for place in ("page", "events", "enter", "other", "/")} == {401}
    assert asked(server, f"page?token={server.access.token}")[0] == 401
    status, headers, page = asked(server, "page", Authorization=bearer(server))
    assert status == 200
    assert "data-progress" in page
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers


def test_a_cookie_stands_for_the_key_and_is_not_the_key(server: PageServer) -> None:
    """Browsers send it by themselves, to this server's own path alone, and no script can read it."""
    status, headers, _ = asked(server, "enter", Authorization=bearer(server))
    cookie, *attributes = headers["Set-Cookie"].split("; ")
    assert status == 204
    assert attributes == [f"Path=/{server.access.folder}/", "HttpOnly", "SameSite=Strict"]
    assert server.access.token not in cookie
    assert asked(server, "page", Cookie=cookie)[0] == 200
    assert asked(server, "page", Cookie=cookie[:-1])[0] == 401
    assert asked(server, "enter", Cookie=cookie)[0] == 404
    assert asked(server, "page", Cookie='ambs_page="\\"; x=\x80')[0] == 401
    assert PageAccess().token != PageAccess().token


@pytest.mark.parametrize("other", ['state={"a": 1}', "path=/", "a[0]=1", "x=a b", 'y="', "a@b=c", "secure"])
def test_cookies_of_other_programs_do_not_lock_out(server: PageServer, other: str) -> None:
    """All servers on localhost get each other's cookies, and some write odd ones."""
    cookie = server.access.cookie.partition(";")[0]
    assert asked(server, "page", Cookie=f"{other}; {cookie}")[0] == 200
    assert asked(server, "page", Cookie=f"{cookie}; {other}")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "10.0.0.1:80"]
)
def test_pages_of_elsewhere_do_not_reach_it(server: PageServer, host: str) -> None:
    """A name of elsewhere that leads to 127.0.0.1 would make this server theirs."""
    assert asked(server, "page", Authorization=bearer(server), Host=host)[0] == 421
    assert not is_loopback_name(host)


def test_a_tunnel_may_end_on_another_port() -> None:
    """With `ssh -L 9000:127.0.0.1:8123` the browser names port 9000."""
    assert all(map(is_loopback_name, ("127.0.0.1:9000", "localhost:1", "LOCALHOST", "[::1]:80", "[::1]")))
    assert not any(map(is_loopback_name, (None, "localhost:x", "localhost:80:80", "[::2]")))
    assert tunnel_command(8123, "me", "login1") == "ssh -N -L 8123:127.0.0.1:8123 me@login1"


def test_a_request_that_never_ends_frees_its_place(
    server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then is not life: with all places taken so, nobody else is let in."""
    monkeypatch.setattr("ambs_hpc.api.live.page_server.HEAD_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        deadline, is_open = time.monotonic() + 20.0, True
        while is_open and time.monotonic() < deadline:
            try:
                slow.sendall(b"X-A: b\r\n")
                is_open = bool(slow.recv(1))
            except TimeoutError:
                continue
            except OSError:
                is_open = False
        assert not is_open
    assert asked(server, "page", Authorization=bearer(server))[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_it_takes_nothing(server: PageServer, method: str) -> None:
    """Only reading is known; no preflight of another page is answered."""
    status, headers, _ = asked(server, "page", method, Authorization=bearer(server))
    assert (status, headers["Allow"]) == (405, "GET")


def test_all_who_watch_share_one_computation(server: PageServer, campaign: Campaign) -> None:
    """Twenty people at a large campaign cost the database what one does."""
    answers = []

    def ask() -> None:
        answers.append(asked(server, "page", Authorization=bearer(server))[0])

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert answers == [200] * 20
    assert server.page.made == 1


def test_connections_are_bounded_and_come_free_again(server: PageServer) -> None:
    """Whoever opens sockets and says nothing keeps no thread that others need, and not for long."""
    idle = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=20) for _ in range(MOST_CONNECTIONS)]
    for one in idle:
        one.connect()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        while True:  # the last of them may still be on its way to a thread
            asked(server, "page", Authorization=bearer(server))
    for one in idle:
        one.close()
    deadline = threading.Event()
    for _ in range(200):
        try:
            assert asked(server, "page", Authorization=bearer(server))[0] == 200
            break
        except (ConnectionError, http.client.HTTPException):
            deadline.wait(0.05)
    else:
        pytest.fail("no place came free")


def test_changes_and_troubles_are_told_as_events(server: PageServer, campaign: Campaign) -> None:
    """A browser learns of a newer page, and that there is none while the database is away."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(
        "GET", f"/{server.access.folder}/events?seen=0", headers={"Authorization": bearer(server)}
    )
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"

    def told() -> tuple[str, dict[str, object]]:
        while not (line := answer.readline()).startswith(b"event:"):
            assert line
        return line.split()[1].decode(), json.loads(answer.readline().removeprefix(b"data: "))

    assert told() == ("page", {"version": 1})
    campaign.number = 4
    assert told() == ("page", {"version": 2})
    campaign.is_away = True
    assert told() == ("away", {"words": f"{NO_ANSWER} It is away."})
    campaign.is_away = False
    assert told() == ("page", {"version": 2})
    connection.close()


def test_a_taken_port_is_told(server: PageServer) -> None:
    """Somebody else's program, or an `ambs serve` that runs already."""
    with pytest.raises(UsageError, match=rf"--port {server.port}: .*Give another one"):
        PageServer(server.page, PageAccess(), server.port)


def test_the_page_of_a_database_changes_with_it(any_engine: Engine) -> None:
    """Its stamp moves with every evaluation, and the database itself refuses to be written."""
    with transaction(any_engine) as connection:
        made = stock.campaign(connection)
        stock.evaluations(connection, made.id, 2)
        launcher_id = stock.launcher(connection)
    before = page_stamp(any_engine, made.id)
    assert page_stamp(any_engine, made.id) == before
    with transaction(any_engine) as connection:
        complete(connection, launcher_id, [stock.success(one) for one in claim(connection, launcher_id, 1)])
    assert page_stamp(any_engine, made.id) != before
    engine = forbid_writes(any_engine)
    assert "<dd id=n-done>1</dd>" in live_page(engine, made, 1)
    with pytest.raises(DatabaseError), transaction(engine) as connection:
        connection.execute(text("DELETE FROM report"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM evaluation")).scalar_one() == 2


def test_the_command_serves_the_only_campaign(sqlite_url: str, tmp_path: Path) -> None:
    """What `ambs serve --db FILE` begins with."""
    from ambs_hpc.queue import open_database

    with transaction(open_database(sqlite_url)) as connection:
        stock.campaign(connection, name="mine")
    chosen, page = shared_page(sqlite_url, None)
    made = page.newest()
    page.close()
    assert chosen.name == "mine"
    assert made is not None
    assert made.version == 1


@pytest.mark.skipif(PROGRAM is None and "CI" not in os.environ, reason="no Chromium here")
def test_a_browser_follows_and_keeps_what_was_chosen(
    server: PageServer, campaign: Campaign, tmp_path: Path
) -> None:
    """The link leads in, the key leaves the address, and new results do not undo a choice."""
    done = (
        "document.getElementById('n-done') !== null && document.getElementById('n-done').textContent === '{}'"
    )
    chosen = "document.getElementById('chosen-parallel').textContent"
    with browser(tmp_path) as page:
        page.open_url(server.link)
        page.wait(done.format(3))
        page.wait("document.getElementById('live').textContent === 'live'")
        assert page.value("location.hash") == ""
        page.value("document.querySelectorAll('#chart-progress button')[1].click()")
        page.value("document.querySelectorAll('#svg-parallel .axis')[2].focus()")
        page.press("ArrowUp")
        before = str(page.value(chosen))
        assert before.startswith("0 of 3 results with units 5 to 9")
        campaign.number = 6
        page.wait(done.format(6))
        assert str(page.value(chosen)).startswith("3 of 6 results with units 5 to 9")
        pressed = "document.querySelector('#chart-progress button[aria-pressed=true]').textContent"
        assert page.value(pressed) == "log"
        focused = "document.activeElement === document.querySelectorAll('#svg-parallel .axis')[2]"
        assert page.value(focused) is True
        campaign.is_away = True
        page.wait("document.getElementById('live').textContent.startsWith('No answer from the database')")
        assert page.complaints == []
        own = f"http://127.0.0.1:{server.port}/{server.access.folder}/"
        assert {url for url in page.requests if urlsplit(url).hostname} <= {
            server.link,
            own,
            *(own + one for one in ("enter", "page", "events?seen=1")),
        }
