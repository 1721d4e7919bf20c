"""JSON inside HTML: no text that a database holds can end its element or run as a script."""

from __future__ import annotations

import json
import math

from ambs_hpc.shown_text import harmless

# The first three could end the element or open a comment; the others end lines in old JavaScript. `json` has
# written all that is not ASCII as escapes already: they stand here for whoever changes that.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def json_script(value: object, element_id: str) -> str:
    """A `<script type="application/json">` with the value; texts are harmless, not-numbers become null."""
    text = json.dumps(_shown(value), separators=(",", ":"), allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return f'<script type="application/json" id="{element_id}">{text}</script>'


def _shown(value: object) -> object:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, dict):
        return {harmless(str(name)): _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        # Most of a report are long columns of numbers.
        return [_shown(item) for item in value] if any(_wants_care(item) for item in value) else list(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _wants_care(item: object) -> bool:
    return not (item is None or isinstance(item, int) or (isinstance(item, float) and math.isfinite(item)))
