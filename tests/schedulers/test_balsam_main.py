"""Finding batch jobs whose submission was interrupted, as far as no server is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambs_hpc.schedulers.balsam import main as balsam_main


@pytest.mark.parametrize("mark", [None, ""])
def test_what_was_not_sent_is_not_found(
    mark: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed before the number of the newest batch job was written, when nothing had been asked for yet.

    Taken for zero, the number would make older batch jobs with the same wishes look like this one.
    """
    file = tmp_path / "7.json"
    file.write_text(json.dumps({"site": "theta"}))
    if mark is not None:
        file.with_suffix(".sent").write_text(mark)
    assert balsam_main.main(["find", str(file)]) == 0
    assert capsys.readouterr().out == ""
