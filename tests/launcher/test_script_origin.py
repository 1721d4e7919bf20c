"""Whose site file a launcher obeys: that of its own script, whatever the database says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import AmbsError
from ambs_hpc.launcher.allocation import script_origin


def test_the_script_decides(tmp_path: Path) -> None:
    """Who may write the allocation's row cannot have another site's commands run."""
    environ = {"AMBS_SITE": "polaris", "AMBS_FOLDER": str(tmp_path)}
    assert script_origin(environ, "/tmp/somebody/site.yml") == ("polaris", tmp_path)


def test_older_scripts_start_in_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row names one of the sites that lie there, and nothing that lies elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert script_origin({}, "theta") == ("theta", tmp_path)
    for path in ("/tmp/somebody/site.yml", "../site.yml", "sites/mine"):
        with pytest.raises(AmbsError, match="Submit it again"):
            script_origin({}, path)
