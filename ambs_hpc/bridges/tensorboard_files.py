"""Runs as event files of TensorBoard: scalars of reports and metrics, and the sheet of its HParams plugin.

Written by hand: the format is a few fields of two messages, and TensorBoard's own writer brings gRPC.
A file appears by one rename when all of it is there.

Source: TensorFlow's event.proto and record_writer.cc, plugin_data.proto of TensorBoard's HParams plugin.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ambs_hpc.bridges.exported_run import OBJECTIVE, ExportedCampaign, ExportedRun
from ambs_hpc.records import Value

FILE = "events.out.tfevents"
PARTIAL = ".ambs-partial"  # TensorBoard reads all that has "tfevents" in its name
SUCCESS, FAILURE = 1, 2  # of the plugin's Status
HPARAMS = "hparams"
SESSION_START, SESSION_END = "_hparams_/session_start_info", "_hparams_/session_end_info"


class TensorboardFiles:
    """A log directory: a folder for each campaign, and in it one for each run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def known(self, campaign: ExportedCampaign) -> Collection[str]:
        """Names of the folders of runs that are whole."""
        place = self._folder / _folder_name(campaign)
        return {one.parent.name for one in place.glob(f"*/{FILE}.*")}

    def run_id(self, key: str) -> str:
        """The folder of a run, as "17-1-done": ordinal, attempt and state."""
        return (
            key.split("-", 1)[1]
            if not key.split("-", 1)[1].startswith("-")
            else "given" + key.split("-", 1)[1]
        )

    def begin(self, campaign: ExportedCampaign) -> None:
        """Make the campaign's folder."""
        (self._folder / _folder_name(campaign)).mkdir(parents=True, exist_ok=True)

    def add(self, campaign: ExportedCampaign, runs: Sequence[ExportedRun]) -> None:
        """Write runs, each as a whole."""
        for run in runs:
            self._add(campaign, run)

    def _add(self, campaign: ExportedCampaign, run: ExportedRun) -> None:
        """Write one run, all of it or nothing."""
        place = self._folder / _folder_name(campaign) / self.run_id(run.key)
        place.mkdir(exist_ok=True)
        partial = place / PARTIAL
        partial.write_bytes(b"".join(map(record, _events(run))))
        partial.rename(place / f"{FILE}.{int(run.finished_at)}.ambs")


def record(content: bytes) -> bytes:
    """One TFRecord: length, its checksum, content, its checksum."""
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", _masked(length)) + content + struct.pack("<I", _masked(content))


def _events(run: ExportedRun) -> Iterator[bytes]:
    yield _double(1, run.started_at) + _text(3, "brain.Event:2")
    start = _hparams(run.configuration) + _text(4, run.name) + _double(5, run.started_at)
    yield _event(run.started_at, 0, _plugin_value(SESSION_START, _message(3, start)))
    last = 0
    for step, at, numbers in run.series:
        last = max(last, step)
        for name, number in numbers.items():
            yield _event(at, step, _scalar(f"reports/{name}", number))
    for name, number in run.metrics.items():
        yield _event(run.finished_at, last, _scalar(f"metrics/{name}", number))
    if run.objective is not None:
        yield _event(run.finished_at, last, _scalar(OBJECTIVE, run.objective))
    end = _number(1, SUCCESS if run.is_done else FAILURE) + _double(2, run.finished_at)
    yield _event(run.finished_at, last, _plugin_value(SESSION_END, _message(4, end)))


def _event(at: float, step: int, value: bytes) -> bytes:
    return _double(1, at) + _number(2, step) + _message(5, _message(1, value))


def _scalar(tag: str, number: float) -> bytes:
    return _text(1, tag) + struct.pack("<Bf", 2 << 3 | 5, _single(number))


def _single(number: float) -> float:
    """The number, at most the largest that 32 bits hold."""
    largest = 3.4028234663852886e38
    return max(-largest, min(largest, number))


def _plugin_value(tag: str, content: bytes) -> bytes:
    plugin = _text(1, HPARAMS) + _message(2, content)
    tensor = _number(1, 1) + _message(2, b"")  # a scalar of floats without a value, as the plugin writes it
    return _text(1, tag) + _message(8, tensor) + _message(9, _message(1, plugin))


def _hparams(configuration: Mapping[str, Value]) -> bytes:
    """The map `hparams`, of google.protobuf.Value."""
    entries = []
    for name, value in configuration.items():
        if isinstance(value, bool):
            told = _number(4, int(value))
        elif isinstance(value, int | float):
            told = _double(2, float(value))
        else:
            told = _text(3, value)
        entries.append(_message(1, _text(1, name) + _message(2, told)))
    return b"".join(entries)


def _folder_name(campaign: ExportedCampaign) -> str:
    return f"{campaign.name}-{campaign.uid}"


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode("utf-8", "backslashreplace"))


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
        table.append(remainder)
    return table


_TABLE = _crc_table()


def _masked(content: bytes) -> int:
    """The checksum CRC-32C in the form in which TFRecord keeps it."""
    remainder = 0xFFFFFFFF
    for byte in content:
        remainder = remainder >> 8 ^ _TABLE[(remainder ^ byte) & 0xFF]
    crc = remainder ^ 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
