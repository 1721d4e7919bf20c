"""Messages arrive whole and in order, over a socket and over pipes."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from ambs_hpc.launcher.supervisor.transport import Transport

Pair = tuple[Transport, Transport]


@pytest.fixture(params=["socket", "pipes"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if request.param == "socket":
        one, other = (end.detach() for end in socket.socketpair())
        made: Pair = (Transport(one, one), Transport(other, other))
    else:
        (to_us, from_them), (to_them, from_us) = os.pipe(), os.pipe()
        made = (Transport(to_us, from_us), Transport(to_them, from_them))
    yield made
    with contextlib.suppress(OSError):
        made[0].close()


def test_messages_arrive_in_order_until_the_end(pair: Pair) -> None:
    """Nothing yet is [], the end is None."""
    here, there = pair
    assert here.receive() == []
    for message in (b"one", b"two"):
        there.send(message)
    received: list[bytes] = []
    while len(received) < 2:
        received += here.receive() or []
    assert received == [b"one", b"two"]
    there.close()
    assert here.receive() is None


def test_a_message_may_be_longer_than_any_buffer(pair: Pair) -> None:
    """A configuration may hold long texts; what does not fit now is sent when there is room."""
    here, there = pair
    messages = [b"x" * 5_000_000, b"short"]
    for message in messages:
        there.send(message)
    assert there.has_unsent
    received: list[bytes] = []
    while len(received) < 2:
        received += here.receive() or []
        there.flush()
    assert received == messages
    assert not there.has_unsent
    there.close()


def test_last_words_are_sent_to_the_end(pair: Pair) -> None:
    """Who ends after a message waits until it is taken."""
    here, there = pair
    there.send(b"x" * 5_000_000)
    last = threading.Thread(target=there.finish)
    last.start()
    received: list[bytes] = []
    while not received:
        received = here.receive() or []
    last.join()
    assert received == [b"x" * 5_000_000]
    there.close()


def test_what_nobody_reads_any_more_is_dropped(pair: Pair) -> None:
    """The other end died: its end is seen by reading, not by an error of a sender."""
    here, there = pair
    there.send(b"x" * 5_000_000)
    here.close()
    there.send(b"more")
    assert not there.has_unsent
    assert there.receive() in ([], None)
    there.close()
