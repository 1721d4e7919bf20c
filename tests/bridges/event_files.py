"""A decoder of TensorBoard's event files, written apart from the encoder, from the same documents."""

from __future__ import annotations

import struct
from typing import Any

CRC32C_OF_DIGITS = 0xE3069283  # of b"123456789": the check value that every description of CRC-32C gives


def crc32c(content: bytes) -> int:
    """Bit by bit, by the reflected polynomial."""
    remainder = 0xFFFFFFFF
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 * (remainder & 1))
    return remainder ^ 0xFFFFFFFF


def decoded(content: bytes) -> list[dict[str, Any]]:
    """The events of a file, after all of its checksums were found right."""
    assert crc32c(b"123456789") == CRC32C_OF_DIGITS
    events = []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        body = content[12 : 12 + length]
        _check(content[:8], content[8:12])
        _check(body, content[12 + length : 16 + length])
        events.append(_event(body))
        content = content[16 + length :]
    return events


def _check(content: bytes, checksum: bytes) -> None:
    crc = crc32c(content)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32
    assert struct.unpack("<I", checksum) == (masked,)


def _event(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"step": 0}
    for field, value in fields(body):
        if field == 2:
            found["step"] = value
        elif field == 3:
            found["version"] = value.decode()
        elif field == 5:
            ((_, inner),) = fields(value)
            found |= _value(inner)
    return found


def _value(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in fields(body):
        if field == 1:
            found["tag"] = value.decode()
        elif field == 2:
            found["scalar"] = value
        elif field == 9:
            ((_, plugin),) = fields(value)
            parts = dict(fields(plugin))
            assert parts[1] == b"hparams"
            found |= _session(parts[2])
    return found


def _session(body: bytes) -> dict[str, Any]:
    ((field, inner),) = fields(body)
    if field == 4:
        return {"status": dict(fields(inner))[1]}
    hparams = {}
    for number, value in fields(inner):
        if number == 1:
            entry = dict(fields(value))
            ((kind, plain),) = fields(entry[2])
            hparams[entry[1].decode()] = plain.decode() if kind == 3 else plain
    return {"hparams": hparams}


def fields(body: bytes) -> list[tuple[int, Any]]:
    """(number, value) of a message: varints, doubles, floats and bytes."""
    found, place = [], 0
    while place < len(body):
        key, place = _varint(body, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(body, place)
        elif kind == 1:
            (value,), place = struct.unpack("<d", body[place : place + 8]), place + 8
        elif kind == 5:
            (value,), place = struct.unpack("<f", body[place : place + 4]), place + 4
        else:
            length, place = _varint(body, place)
            value, place = body[place : place + length], place + length
        found.append((key >> 3, value))
    return found


def _varint(body: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
