"""Values and foreign texts as a person is shown them: short, and without control over the screen."""

from __future__ import annotations

import re

from ambs_hpc.states import FailureKind

# All control characters of ASCII and Latin-1 but tab and line feed; marks that reorder text; separators of
# lines and paragraphs; halves of surrogate pairs, which no encoding can write.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def harmless(text: str) -> str:
    r"""The text with each control character written out, as \x1b or \u202e; tabs and line ends stay."""
    return _CONTROLS.sub(lambda found: _written_out(found[0]), text)


def cell(value: object) -> str:
    """A value as one short text without line breaks."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return " ".join(f"{cell(name)}={cell(item)}" for name, item in value.items())
    return " ".join(str(value).split())


def duration(seconds: float | None) -> str:
    """A duration in readable units: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def binary_size(size_bytes: float) -> str:
    """A size in readable units: 512 B, 3.4 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.4g} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.4g} TiB"


def logs_command(evaluation_id: int, kind: FailureKind | None) -> str:
    """The command that shows the stream with the words about a failure.

    What ended well and gave no number has printed on stdout what there is to read; errors stand on stderr.
    """
    has_ended_well = kind in (None, FailureKind.BAD_RESULT)
    return f"ambs logs {evaluation_id}" if has_ended_well else f"ambs logs {evaluation_id} --stderr"


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
