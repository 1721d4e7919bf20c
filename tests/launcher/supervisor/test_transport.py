"""Messages arrive whole and in order, over a socket and over pipes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from ambs_hpc.launcher.supervisor.transport import (
    LineTransport,
    PacketTransport,
    Transport,
    framed,
    send_all,
)

Pair = tuple[Transport, Transport]


@pytest.fixture(params=["packets", "lines"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if request.param == "packets":
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.setblocking(False)
        made: Pair = (PacketTransport(here), PacketTransport(there))
    else:
        (to_us, from_them), (to_them, from_us) = os.pipe(), os.pipe()
        os.set_blocking(to_us, False)
        made = (LineTransport(to_us, from_us), LineTransport(to_them, from_them))
    yield made
    made[0].close()


def test_messages_arrive_in_order_until_the_end(pair: Pair) -> None:
    """Nothing yet is [], the end is None."""
    here, there = pair
    assert here.receive() == []
    for message in (b"one", b"two"):
        send_all(there, message)
    received: list[bytes] = []
    while len(received) < 2:
        received += here.receive() or []
    assert received == [b"one", b"two"]
    there.close()
    assert here.receive() is None


def test_rest_of_a_message_can_be_sent_later(pair: Pair) -> None:
    """A full pipe takes a part; the receiver sees whole messages only."""
    here, there = pair
    message = framed(there, b"x" * 1000)
    if isinstance(there, LineTransport):
        assert there.send(message[:300]) == 300
        assert here.receive() == []
        message = message[300:]
    there.send(message)
    assert here.receive() == [b"x" * 1000]
    there.close()
