"""How much is logged is chosen by $AMBS_LOG."""

from __future__ import annotations

import pytest

from ambs_hpc.cli.main import main


def test_a_level_that_there_is_not_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in a batch script must say which variable is meant, not show 20 lines of the program."""
    monkeypatch.setenv("AMBS_LOG", "inf")
    monkeypatch.setattr("sys.argv", ["ambs", "site", "list"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    accepted = "Accepted: CRITICAL, DEBUG, ERROR, INFO, WARNING."
    assert (ended.value.code, told) == (
        1,
        f"ambs: AMBS_LOG='inf': no such level. Did you mean 'INFO'? {accepted}\n",
    )


@pytest.mark.parametrize("level", ["", "warning", "WARNING"])
def test_a_level_is_taken_in_either_case_and_may_be_empty(
    level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty variable is what `export AMBS_LOG=` leaves."""
    monkeypatch.setenv("AMBS_LOG", level)
    monkeypatch.setattr("sys.argv", ["ambs", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().out[:9]) == (0, "ambs_hpc ")
