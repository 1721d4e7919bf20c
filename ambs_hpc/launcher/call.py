"""One evaluation of a function in a fresh interpreter, for modules that cannot be forked (`warm=False`)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ambs_hpc.launcher import endings
from ambs_hpc.launcher.starting import REQUEST
from ambs_hpc.launcher.template import load_function


def main(arguments: list[str]) -> int:
    """`python -m ambs_hpc.launcher.call MODULE:FUNCTION DIRECTORY`, in the attempt's folder."""
    request = {**json.loads(Path(REQUEST).read_text()), "directory": str(Path.cwd())}
    started_at = time.time()
    return endings.run_function(request, load_function(arguments[0], arguments[1]), started_at)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
