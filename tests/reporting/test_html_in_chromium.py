"""The page in a real browser: its scripts run, say nothing on the console, and show the right numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.queue import EvaluationRow
from ambs_hpc.records import Value
from ambs_hpc.reporting.html.document import report_html
from tests.reporting.chromium import PROGRAM, Page, browser
from tests.reporting.records import evaluation, record

OBJECTIVES = [5.0, None, 3.0, 4.0, 2.0, None, 6.0, 1e6]
pytestmark = pytest.mark.skipif(PROGRAM is None and "CI" not in os.environ, reason="no Chromium here")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("chromium")
    file = folder / "r.html"
    rows = [evaluation(number, value) for number, value in enumerate(OBJECTIVES, start=1)]
    spread = [evaluation(number, 10.0 ** -(number % 7)) for number in range(1, 61)]
    problem = {"space": space_to_json(build_space({"lr": (1e-5, 1.0, "log"), "units": (1, 9)}))}
    many = record([replace(row, configuration=numbers(row)) for row in spread])
    definition = replace(many.campaign.definition, problem=problem)
    file.with_name("many.html").write_text(
        report_html(replace(many, campaign=replace(many.campaign, definition=definition)))
    )
    file.write_text(report_html(record(rows)))
    with browser(folder) as made:
        made.open(file)
        yield made


def numbers(row: EvaluationRow) -> dict[str, Value]:
    """The configuration without the parameter of a hostile name."""
    return {name: row.configuration[name] for name in ("lr", "units")}


def pressed(page: Page, chart: str) -> list[str]:
    """The buttons of a chart that are chosen."""
    query = (
        f"[...document.querySelectorAll('#chart-{chart} button[aria-pressed=true]')].map(b => b.textContent)"
    )
    return list(page.value(query))


def test_the_page_is_quiet_and_asks_for_nothing(page: Page) -> None:
    """A refused script or a missing file would be told on the console."""
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("file:///")] == []
    assert len(page.requests) == 1
    assert page.value("document.title") == "net - ambs_hpc"  # no name from the database ran as a script


def test_progress_draws_what_it_tells(page: Page) -> None:
    """Points, failures, the outlier at its edge, and a log axis that shows it."""
    shapes = "(document.querySelector('#svg-progress .{}').getAttribute('d').match(/M/g) || []).length"
    assert [page.value(shapes.format(name)) for name in ("dots", "crosses", "beyond")] == [5, 2, 1]
    assert "1 of 6 results lie beyond" in page.value("document.getElementById('note-progress').textContent")
    page.value("document.querySelector('#chart-progress button:nth-of-type(2)').click()")
    assert pressed(page, "progress") == ["log", "evaluations"]
    assert [page.value(shapes.format(name)) for name in ("dots", "beyond")] == [6, 0]


def test_progress_is_read_by_keys(page: Page) -> None:
    """Whoever has no mouse, or no sight, reads single evaluations."""
    page.value("document.getElementById('svg-progress').focus()")
    page.press("Home")
    page.press("ArrowRight")
    told = page.value("document.querySelector('#chart-progress .readout').textContent")
    assert told == "evaluation 2 failed, number 2 to end; ambs why 2"


def test_slots_are_read_by_keys(page: Page) -> None:
    """Bars are in order of time within their slot."""
    page.value("document.getElementById('svg-timeline').focus()")
    page.press("End")
    told = page.value("document.querySelector('#chart-timeline .readout').textContent")
    assert told == "evaluation 8: done, 10 s on n1, launcher 1"
    assert page.value("document.querySelectorAll('#svg-timeline path.failed').length") == 1


def chosen(page: Page) -> str:
    """What the parallel coordinates say of the choice."""
    return str(page.value("document.getElementById('chosen-parallel').textContent"))


def test_configurations_are_chosen_by_mouse_and_by_keys(page: Page) -> None:
    """Six results have units 2, 4, 5, 6, 8 and 9."""
    assert chosen(page) == "6 of 6 results; best 2"
    axis = "document.querySelectorAll('#svg-parallel .axis')[2]"
    page.value(f"{axis}.focus()")
    page.press("ArrowUp")
    assert chosen(page) == "4 of 6 results with units 5 to 9; best 2"
    page.press("Escape")
    page.value(f"{axis}.scrollIntoView({{block: 'center'}})")
    box = page.value(
        f"(b => [b.x + b.width / 2, b.top, b.bottom])({axis}.querySelector('.hit').getBoundingClientRect())"
    )
    page.drag(box[0], box[1] + 1, box[1] + 0.3 * (box[2] - box[1]))
    assert chosen(page).startswith("2 of 6 results with units 6.")
    rows = page.value("document.querySelectorAll('#chart-parallel tbody tr').length")
    page.value("document.querySelector('#chart-parallel button').click()")
    assert (rows, chosen(page)) == (2, "6 of 6 results; best 2")


def test_dark_and_narrow_pages_stay_quiet(page: Page) -> None:
    """A phone at night; nothing runs out of the screen."""
    page.open(Path(page.value("decodeURI(location.pathname)")), dark=True, width=420)
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert page.value("document.documentElement.scrollWidth") <= 420
    assert page.complaints == []


def test_partial_dependence_is_drawn_on_both_axes(page: Page) -> None:
    """A deviation below zero has no place on a logarithmic axis; the page stays quiet all the same."""
    page.open(Path(page.value("decodeURI(location.pathname)")).with_name("many.html"))
    assert pressed(page, "effects") == ["linear", "partial dependence"]
    best = "[...document.querySelectorAll('#chart-effects svg[role=img] .best')]"
    lines = f"{best}.map(p => p.getAttribute('d').match(/[ML]/g).length)"
    assert page.value(lines) == [12, 9]
    page.value("document.querySelectorAll('#chart-effects button')[1].click()")
    assert page.value(lines) == [12, 9]
    assert page.value("document.body.innerHTML.includes('NaN')") is False
    page.value("document.querySelectorAll('#chart-effects button')[3].click()")
    assert page.value(lines) == [5, 9]  # medians of the parts that hold three results
    assert page.complaints == []
