"""`ambs nodes`: what a person sends to the support of a site, and how a node is used again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from typer.testing import CliRunner

from ambs_hpc.cli.commands.nodes import since_seconds
from ambs_hpc.cli.main import app
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.queue import (
    note_submitted,
    open_database,
    prepare_allocation,
    record_node_events,
    register_launcher,
    transaction,
)
from ambs_hpc.queue.schema.tables import node_event
from ambs_hpc.records import NewLauncher, NewNodeEvent
from ambs_hpc.sites import AllocationRequest, ScriptSettings, left_out_nodes, load_site, submit_allocation
from ambs_hpc.states import NodeEventKind
from tests.databases import fresh_database

PROBED, PROBE_FAILED, LOST = NodeEventKind.PROBED, NodeEventKind.PROBE_FAILED, NodeEventKind.NODE_LOST


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """n2 has failed three times in an allocation of the site `slurm`; n3 is well, and n1 was long ago."""
    with fresh_database("sqlite", tmp_path) as url:
        monkeypatch.setenv("AMBS_DB", url)
        made = open_database(url)
        with transaction(made) as connection:
            number = prepare_allocation(connection, "slurm", "slurm", {"nodes": 2})
            note_submitted(connection, number, "4711")
            launcher = register_launcher(connection, NewLauncher("n1", 1, 1, 4, number))
            full = "scratch /tmp cannot be written: \x1b[2JNo space left on device"
            events = [
                NewNodeEvent("n1", PROBED, detail="3.5 GiB free in scratch", facts={"scratch_free_gib": 3.5}),
                *[NewNodeEvent("n2", PROBE_FAILED, is_failure=True, detail=full) for _ in range(2)],
                NewNodeEvent("n2", LOST, is_failure=True, detail="gone"),
                NewNodeEvent("n3", PROBED),
            ]
            record_node_events(connection, "slurm", launcher, events)
            connection.execute(update(node_event).values(at=1_700_000_000.0).where(node_event.c.id == 1))
        yield made
        made.dispose()


def said(*words: str) -> str:
    result = CliRunner().invoke(app, ["nodes", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("engine")
def test_what_happened_is_listed_for_a_ticket() -> None:
    """With time and zone, node, allocation, kind and words; nothing in them reaches the terminal."""
    first, header, *lines = said().splitlines()
    assert first == (
        "left out: n2 of slurm, 3 infrastructure failures within a day "
        "(use it again: ambs nodes --forgive n2)"
    )
    assert header.split("\t") == ["time (UTC)", "site", "node", "allocation", "what", "counts", "words"]
    assert len(lines) == 3
    at, *rest = lines[0].split("\t")
    assert at.endswith("Z")
    words = "scratch /tmp cannot be written: \\x1b[2JNo space left on device"
    assert rest == ["slurm", "n2", "4711", "PROBE_FAILED", "yes", words]
    assert lines[2].split("\t")[4:] == ["NODE_LOST", "yes", "gone"]


@pytest.mark.usefixtures("engine")
def test_measurements_are_listed_when_asked_for() -> None:
    """Of one node, however long ago."""
    assert said("n1") == "Nothing is known against n1 in the last 7d; --all shows what was measured.\n"
    assert len(said("--all").splitlines()) == 6
    _, line = said("n1", "--all", "--since", "all").splitlines()
    assert line.split("\t")[:5] == ["2023-11-14 22:13:20Z", "slurm", "n1", "4711", "PROBED"]


@pytest.mark.usefixtures("engine")
def test_json_has_all_of_it() -> None:
    """Exact texts, seconds since 1970."""
    told = json.loads(said("--json", "--all", "--since", "all"))
    assert [(one["node"], one["failures"], one["is_left_out"]) for one in told["nodes"]] == [
        ("n2", 3, True),
        ("n3", 0, False),
    ]
    assert [one["kind"] for one in told["events"]] == [
        *("PROBED", "PROBE_FAILED", "PROBE_FAILED", "NODE_LOST", "PROBED")
    ]
    assert told["events"][0]["facts"] == {"scratch_free_gib": 3.5}
    assert "\x1b" in told["events"][1]["detail"]


def test_a_forgiven_node_is_used_again(engine: Engine) -> None:
    """And what happened stays listed."""
    site = load_site("slurm")
    assert left_out_nodes(engine, site) == ("n2",)
    assert said("--forgive", "n2") == "n2: what happened there until now counts no more\n"
    assert left_out_nodes(engine, site) == ()
    assert said().splitlines()[-1].split("\t")[4] == "FORGIVEN"
    with pytest.raises(NotFound, match="n2"):
        said("--forgive", "n4")


def test_a_request_leaves_nodes_out_where_the_scheduler_can(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm is told; PBS cannot be, and its launchers leave such nodes idle."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, said_id in (("sbatch", "12"), ("qsub", "12.pbs")):
        (folder / name).write_text(f"#!/bin/sh\necho {said_id}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    settings = ScriptSettings(["ambs"], [], {})
    for name, directives in (("slurm", ["#SBATCH --exclude=n2"]), ("pbs", [])):
        site = load_site(name)
        with transaction(engine) as connection:
            failed = [NewNodeEvent("n2", LOST, is_failure=True) for _ in range(3)]
            record_node_events(connection, name, None, [NewNodeEvent("n1", PROBED), *failed])
        assert left_out_nodes(engine, site) == ("n2",)
        request = AllocationRequest(1, 5, tmp_path, project="p")
        made = submit_allocation(engine, site, request, settings, "me")
        script = tmp_path / "ambs-allocations" / f"{made.id}.sh"
        found = [line for line in script.read_text().splitlines() if "exclude" in line or "n2" in line]
        assert found == directives
        assert made.request["left_out"] == (["n2"] if directives else [])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400.0), ("7d", 604800.0), ("1d12h", 129600.0), ("all", None)]
)
def test_how_far_back(text: str, seconds: float | None) -> None:
    """In the units that people think in."""
    assert since_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "yesterday", "7d ago", "-1d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With what is accepted."""
    with pytest.raises(UsageError, match="90m, 12h, 7d"):
        since_seconds(text)
