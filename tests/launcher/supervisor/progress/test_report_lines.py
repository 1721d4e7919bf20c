"""What an attempt leaves as reports is hostile until it is proved harmless, and always read alike."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor.progress import report_lines
from ambs_hpc.launcher.supervisor.progress.report_lines import (
    CHUNK_BYTES,
    KEPT_OF_EACH_STRIDE,
    LATEST,
    LONGEST_LINE,
    MARK,
    REPORTS,
    AttemptFiles,
    LineTail,
    ReportRow,
    parse,
)


def line(step: object, objective: object = 0.5, **metrics: object) -> str:
    return json.dumps({"step": step, "objective": objective, **metrics}) + "\n"


def pairs(rows: list[ReportRow]) -> list[tuple[int, float]]:
    return [(row.step, row.objective) for row in rows]


def left(folder: Path) -> tuple[list[ReportRow], str]:
    """What an ended attempt has left in the folder, and the trouble with it."""
    files = AttemptFiles(str(folder))
    return [row for rows in files.rest(60.0) for row in rows], files.trouble


@pytest.mark.parametrize(
    "said",
    [
        *({}, [], None, 7, "step", {"step": 1}, {"objective": 1.0}),
        *(
            {"step": one, "objective": 0.5}
            for one in (-1, 1.5, True, "1", None, [1], 2**53 + 1, 1e300, 10**400)
        ),
        *(
            {"step": 1, "objective": one}
            for one in (float("nan"), float("inf"), True, "1", None, [], 10**400)
        ),
    ],
)
def test_no_report_is_told_with_its_field(said: object) -> None:
    """Neither a truth value nor a number beyond a float is taken for a number."""
    why = parse(said)
    assert isinstance(why, str)
    if isinstance(said, dict):
        assert why.startswith(("step is", "objective is"))


def test_a_metric_costs_itself_at_most() -> None:
    """The curve is what decisions rest on."""
    kept = {"loss": 0.1, "count": 3, "best": True, "phase": "warm-up"}
    wrong = {
        "nan": float("nan"),
        "deep": [1],
        "none": None,
        "long": "x" * 201,
        "n" * 101: 1.0,
        "big": 10**400,
    }
    assert parse({"step": 3.0, "objective": 1, **kept, **wrong}) == (3, 1.0, kept)
    many = parse({"step": 1, "objective": 1, **{f"m{index}": index for index in range(99)}})
    assert isinstance(many, tuple)
    assert len(many[2]) == report_lines.MOST_METRICS


def test_whole_lines_are_read_as_they_come(tmp_path: Path) -> None:
    """A line that is being written is read when it is whole; the last one needs no end."""
    file = tmp_path / "lines"
    tail = LineTail(str(file))
    assert tail.further() == []
    text = line(1) + line(2, 0.25) + line(3).rstrip()
    seen: list[ReportRow] = []
    for end in range(0, len(text) + 1, 5):
        file.write_text(text[:end])
        seen += tail.further()
    assert pairs(seen) == [(1, 0.5), (2, 0.25)]
    file.write_text(text)
    assert pairs([row for rows in tail.rest(60.0) for row in rows]) == [(3, 0.5)]
    assert tail.trouble == ""


def test_wrong_lines_cost_themselves_and_are_told_once(tmp_path: Path) -> None:
    """With the line, the field and what is accepted."""
    (tmp_path / REPORTS).write_bytes(
        b"\n".join([b"[" * 4000, b"\xff\xfe", line(-1).encode(), b"9" * 4000, line(4).encode(), b"\0" * 50])
    )
    rows, trouble = left(tmp_path)
    assert pairs(rows) == [(4, 0.5)]
    assert "no JSON; accepted is" in trouble


def test_endless_lines_are_passed_over(tmp_path: Path) -> None:
    """A log without line breaks, or a binary file, is neither kept in memory nor waited for."""
    content = "x" * (2 * CHUNK_BYTES + 7) + "\n" + line(1) + "y" * (LONGEST_LINE + 1) + "\n" + line(2)
    (tmp_path / REPORTS).write_text(content)
    tail = LineTail(str(tmp_path / REPORTS))
    looks = [pairs(tail.further()) for _ in range(5)]
    assert [one for one in looks if one] == [[(1, 0.5), (2, 0.5)]]
    assert "longer than" in tail.trouble


def test_marked_lines_of_stdout_count_among_others(tmp_path: Path) -> None:
    """A command prints them among its own words; only whole lines that begin with the mark are meant."""
    marked = MARK.decode()
    text = (
        f"epoch 1\n{marked} {line(1)}say {marked} {line(2)}\n{marked}{line(3)}{line(4)}AMBS-REPORT {line(5)}"
    )
    (tmp_path / "stdout").write_text("noise\n" * 100_000 + text)
    assert pairs(left(tmp_path)[0]) == [(1, 0.5), (3, 0.5)]


def test_a_file_that_begins_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    """A program that opens it anew for each report, or turns its logs over."""
    file = tmp_path / "lines"
    tail = LineTail(str(file))
    file.write_text(line(1) + line(2))
    assert pairs(tail.further()) == [(1, 0.5), (2, 0.5)]
    file.write_text(line(3))
    assert pairs(tail.further()) == [(3, 0.5)]


MAKERS: dict[str, Callable[[Path], object]] = {
    "pipe": lambda file: os.mkfifo(file),
    "link": lambda file: file.symlink_to("/dev/zero"),
    "link to a file": lambda file: file.symlink_to("/etc/passwd"),
    "folder": lambda file: file.mkdir(),
    "device": lambda file: os.mknod(file, 0o666 | stat.S_IFCHR, os.makedev(1, 5)),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    """A named pipe blocks whoever opens it, a device never ends, a link leads to other people's files."""
    try:
        MAKERS[kind](tmp_path / REPORTS)
    except PermissionError:
        pytest.skip("only root makes devices")
    (tmp_path / "stdout").write_text(f"AMBS-REPORT: {line(1)}")
    assert left(tmp_path) == ([ReportRow(1, 0.5, {}, (tmp_path / "stdout").stat().st_mtime)], "")


def test_times_of_files_are_bounded(tmp_path: Path) -> None:
    """An evaluation may set its file's time to a year that no database can show."""
    (tmp_path / REPORTS).write_text(line(1))
    os.utime(tmp_path / REPORTS, (2e10, 2e10))
    ((row,), _) = left(tmp_path)
    assert 1.7e9 < row.at < LATEST / 10


def test_many_reports_are_thinned_and_counted(tmp_path: Path) -> None:
    """Of a million steps some thousand are kept, the last among them; every one that is not is counted."""
    number = 40 * KEPT_OF_EACH_STRIDE
    (tmp_path / REPORTS).write_text("".join(line(step, float(step)) for step in range(number)))
    rows, trouble = left(tmp_path)
    assert trouble == ""
    assert [row.step for row in rows[:KEPT_OF_EACH_STRIDE]] == list(range(KEPT_OF_EACH_STRIDE))
    assert rows[-1].step == number - 1
    assert len(rows) < 6 * KEPT_OF_EACH_STRIDE
    assert len(rows) + sum(row.thinned for row in rows) == number


def test_what_is_kept_does_not_depend_on_when_it_is_read(tmp_path: Path) -> None:
    """A launcher that reads a dead one's files must not store other steps beside its."""
    text = "".join(line(step) for step in range(3 * KEPT_OF_EACH_STRIDE))
    file = tmp_path / REPORTS
    tail, seen = LineTail(str(file)), list[ReportRow]()
    for end in range(1000, len(text), 7919):
        file.write_text(text[:end])
        seen += tail.further()
    file.write_text(text)
    seen += [row for rows in tail.rest(60.0) for row in rows]
    again = left(tmp_path)[0]
    assert [(row.step, row.thinned) for row in seen] == [(row.step, row.thinned) for row in again]


@pytest.mark.parametrize(
    "values",
    [
        *(
            [],
            None,
            {},
            [1, 0.5, {}, 1.0],
            [1, 0.5, None, 1.0, 0],
            [-1, 0.5, {}, 1.0, 0],
            [1, None, {}, 1.0, 0],
        ),
        *(
            [1, 0.5, {}, float("nan"), 0],
            [1, 0.5, {}, 1e12, 0],
            [1, 0.5, {}, 1.0, -1],
            [1, 0.5, {}, 1.0, 2**31],
        ),
    ],
)
def test_messages_carry_reports_only(values: object) -> None:
    """They come over files and networks: one odd row must not hold up what a whole launcher has to store."""
    assert ReportRow.of(values) is None
    row = ReportRow(1, 0.5, {"loss": 1.0}, 1.7e9, 3)
    assert ReportRow.of(json.loads(json.dumps(row.values()))) == row
