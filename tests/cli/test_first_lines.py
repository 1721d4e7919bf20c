"""What `ambs run` says before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.campaign import SearchSettings
from ambs_hpc.cli.shared.stored_campaign import begin_campaign, tell_endless
from ambs_hpc.queue import transaction
from tests.queue import stock

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0, 1)}, objective="model:train")
"""


def test_a_space_and_an_end_that_may_not_be_meant_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first start, where nothing is spent yet; who has begun has seen it."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "problem.py").write_text(PROBLEM)
    (tmp_path / "model.py").write_text("def train(configuration): ...\n")
    settings, url = SearchSettings(run_root=tmp_path / "runs"), f"sqlite:///{tmp_path}/ambs.db"
    begin = (tmp_path / "problem.py", settings, url)
    engine, campaign = begin_campaign(*begin, tries=False, is_elsewhere=False)
    assert "ambs: note: 'x' is one of the two whole numbers 0 and 1" in capsys.readouterr().err
    tell_endless(campaign, settings, "Ctrl-C")
    assert "it runs until Ctrl-C" in capsys.readouterr().err
    tell_endless(campaign, SearchSettings(max_minutes=3.0), "Ctrl-C")
    with transaction(engine) as connection:
        stock.evaluations(connection, campaign.id, 1)
    begin_campaign(*begin, tries=False, is_elsewhere=False)
    assert capsys.readouterr().err == ""
    engine.dispose()
