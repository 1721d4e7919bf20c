"""One evaluation of a function in a fresh interpreter, for modules that cannot be forked (`warm=False`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ambs_hpc.launcher import endings
from ambs_hpc.launcher.child import load_function

REQUEST = "request.json"


def main(arguments: list[str]) -> int:
    """`python -m ambs_hpc.launcher.call MODULE:FUNCTION DIRECTORY`, in the attempt's folder."""
    request = {**json.loads(Path(REQUEST).read_text()), "directory": str(Path.cwd())}
    return endings.run_function(request, load_function(arguments[0], arguments[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
