"""What `ambs importance` advises: nothing that other objectives or constraints would pay for."""

from __future__ import annotations

import pytest

from ambs_hpc.cli.commands.importance import _write
from ambs_hpc.insight.functional_anova import Importance, VarianceShare

FOUND = Importance((VarianceShare(("lr",), 0.98, 0.0), VarianceShare(("layers",), 0.001, 0.0)), (), 60, 0.9)


def test_no_parameter_is_given_up_that_something_else_may_depend_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Depth does nothing for the loss here, and all for the latency."""
    _write(FOUND, "net", 60, 0, [])
    said = capsys.readouterr().out
    assert "Next to no effect: layers. To search without one" in said
    assert "ambs space net --pin layers=VALUE --dry-run" in said
    _write(FOUND, "net", 60, 0, ["latency", "memory"])
    said = capsys.readouterr().out
    assert "no effect: layers; of what else counts (latency, memory) this says nothing.\n" in said
    assert "ambs space" not in said
