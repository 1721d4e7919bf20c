"""The page says what is in the record, whatever texts it holds, and stays small."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace, EqualsCondition
from sqlalchemy import Engine

from ambs_hpc.errors import UsageError
from ambs_hpc.insight.functional_anova import Importance, VarianceShare
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import AttemptSpan, claim, complete, fail, reading, transaction
from ambs_hpc.records import IMPORTED
from ambs_hpc.reporting.html.campaign_record import ExplainedFailure, read_campaign
from ambs_hpc.reporting.html.document import report_html
from ambs_hpc.reporting.html.parameter_samples import MOST_ROWS, parameter_axes, parameters_json
from ambs_hpc.reporting.html.partial_dependence import partial_dependence
from ambs_hpc.reporting.html.progress_series import beyond_limits, shown_limits, thinned
from ambs_hpc.reporting.html.report_file import default_name
from ambs_hpc.reporting.html.slot_timeline import MOST_BARS, MOST_LANES, slot_lanes, timeline_json
from ambs_hpc.reporting.whole_file import write_whole
from ambs_hpc.shown_text import harmless
from ambs_hpc.states import FailureKind, Move
from tests.queue import stock
from tests.reporting.records import HOSTILE, SPACE, T0, evaluation, record

OBJECTIVES = [5.0, None, 3.0, 4.0, 2.0, None, 6.0]
ROWS = [evaluation(number, value) for number, value in enumerate(OBJECTIVES, start=1)]


def embedded(page: str, key: str) -> Any:
    """The data of one chart."""
    found = re.search(rf'<script type="application/json" id="data-{key}">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


class Elements(HTMLParser):
    """All elements with their attributes, and the text of those that have an id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._last = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._last = dict(attrs).get("id") or ""

    def handle_data(self, data: str) -> None:
        if self._last:
            self.texts.setdefault(self._last, data)


def test_the_summary_counts_and_names_the_best() -> None:
    """These are the numbers that people copy into their papers."""
    texts = Elements(report_html(record(ROWS))).texts
    assert {
        key: texts[f"n-{key}"] for key in ("best", "done", "failed", "running", "node-hours", "allocated")
    } == {
        "best": "2",
        "done": "5",
        "failed": "2",
        "running": "0",
        "node-hours": "1.5",
        "allocated": "1",
    }
    assert Elements(report_html(record(ROWS, "maximize"))).texts["n-best"] == "6"


def test_failures_that_were_run_again_are_not_denied() -> None:
    """The slots show them, and "Nothing failed." beside them would be a lie."""
    good = [evaluation(1, 0.5)]
    assert "Nothing failed." in report_html(replace(record(good), failures=[], attempts=[]))
    spans = [
        AttemptSpan(1, place, 1, "n1", T0, T0 + 5, move) for place, move in enumerate(["FAIL", "COMPLETE"])
    ]
    spans = [one._replace(move=Move[one.move].value) for one in spans]
    page = report_html(replace(record(good), failures=[], attempts=spans))
    assert "Nothing is failed now; 1 attempts failed, and their evaluations were run again." in page


def test_progress_has_every_improvement_in_order_of_ending() -> None:
    """The running best is the campaign's story."""
    told = embedded(report_html(record(ROWS)), "progress")
    assert told["best"] == {"id": [1, 3, 5], "number": [1, 3, 5], "at": [10, 30, 50], "value": [5, 3, 2]}
    assert told["points"]["value"] == [5, 3, 4, 2, 6]
    assert told["failed"] == {"id": [2, 6], "number": [2, 6], "at": [20, 60]}
    assert told["last"] == {"number": 7, "at": 70}
    assert embedded(report_html(record(ROWS, "maximize")), "progress")["best"]["value"] == [5, 6]


def test_what_breaks_a_constraint_is_a_point_and_never_the_best() -> None:
    """The running best would be one that nobody can use, and not the one that the summary names."""
    made = record([replace(row, metrics={"mb": row.id}) for row in ROWS])
    fidelity = {"name": "epochs", "minimum": 1, "maximum": 9, "eta": 3, "rule": "asha"}
    stated = {"constraints": [["mb", "<", 4.5]], "fidelity": fidelity, "checkpoints": "keep-best 2"}
    problem = {**made.campaign.definition.problem, **stated}
    bounded = replace(made.campaign, definition=replace(made.campaign.definition, problem=problem))
    page = report_html(replace(made, campaign=bounded))
    told = embedded(page, "progress")
    assert (told["best"]["id"], told["points"]["value"]) == ([1, 3], [5, 3, 4, 2, 6])
    assert Elements(page).texts["n-best"] == "3"
    for name, value in (("constraints", "mb &lt; 4.5"), ("checkpoints", "keep-best 2")):
        assert f"<th scope=row>{name}</th><td>{value}</td>" in page
    assert "<th scope=row>fidelity</th><td>name=epochs minimum=1 maximum=9" in page


def test_imported_results_are_a_line_of_their_own() -> None:
    """They did not run here: they have no place in time and in no count."""
    rows = [*ROWS, evaluation(8, 1.0, proposal_kind=IMPORTED)]
    page = report_html(record(rows))
    assert embedded(page, "progress")["imported"] == 1.0
    assert embedded(page, "progress")["last"]["number"] == 7
    assert Elements(page).texts["n-done"] == "5"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_outliers_do_not_flatten_the_axis(sign: float) -> None:
    """One diverged training of 1e9 would make all others one line."""
    direction = "minimize" if sign > 0 else "maximize"
    values = sign * np.array([*np.linspace(1.0, 2.0, 19), 1e9])
    low, high = shown_limits(values, direction)
    assert high - low < 5.0
    assert beyond_limits(values, direction) == 1
    alike = sign * np.array([1.0, 1.0, 1.0, 1.0, 3.0])
    assert shown_limits(alike, direction) == sorted((sign * 1.0, sign * 3.0))
    assert shown_limits(np.array([]), direction) == []


def test_texts_of_the_database_never_become_markup() -> None:
    """An error message is written by anybody's program; the page is opened by the person with the keys."""
    page = report_html(record(ROWS))
    elements = Elements(page)
    assert not [tag for tag, _ in elements.found if tag == "img"]
    assert [attributes.get("type") for tag, attributes in elements.found if tag == "script"].count(None) == 1
    handlers = [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert handlers == []
    assert HOSTILE not in page
    assert "\\u202e" in page
    assert not {"\u2028", "\u202e"} & set(page)


def test_the_page_may_load_nothing() -> None:
    """It is opened from a disk without network, and tells nobody of it."""
    page = report_html(record(ROWS))
    loads = [
        attributes for _, attributes in Elements(page).found if {"src", "srcset", "data"} & attributes.keys()
    ]
    assert loads == []
    assert "default-src 'none'" in page
    links = [attributes["href"] or "" for tag, attributes in Elements(page).found if tag in ("a", "link")]
    assert all(link.startswith("#") for link in links)


def test_an_empty_campaign_has_a_page() -> None:
    """People look at once."""
    page = report_html(record([], launchers=[], allocations=[]))
    assert "Nothing failed." in page
    assert embedded(page, "progress")["limits"] == []


def test_a_sample_keeps_both_ends() -> None:
    """The first and the newest result are those that one asks about."""
    assert thinned(3, 10) == [0, 1, 2]
    chosen = thinned(1000, 10)
    assert (len(chosen), chosen[0], chosen[-1]) == (10, 0, 999)


def test_ten_thousand_evaluations_fit_in_two_megabytes() -> None:
    """The page is copied from a supercomputer, and mailed."""
    one = ROWS[0]
    numbers = np.random.default_rng(0).normal(size=(10_000, 12))
    rows = [
        replace(
            one,
            id=number,
            objective=float(values[0]),
            configuration={f"p{k}": float(value) for k, value in enumerate(values)},
            finished_at=(one.started_at or 0.0) + number * 1.2345,
        )
        for number, values in enumerate(numbers, start=1)
    ]
    space = {"hyperparameters": [{"name": f"p{k}", "lower": -5.0, "upper": 5.0} for k in range(12)]}
    made = record(rows)
    definition = replace(made.campaign.definition, problem={"space": space})
    page = report_html(replace(made, campaign=replace(made.campaign, definition=definition)))
    assert len(page.encode()) < 2_000_000


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A browser reloads while the next page is written; half a page is none."""
    file = tmp_path / "r.html"
    write_whole(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "new \ud800")
    assert (file.read_text(), [one.name for one in tmp_path.iterdir()]) == ("old", ["r.html"])
    with pytest.raises(UsageError, match="--output"):
        write_whole(tmp_path / "no_folder" / "r.html", "new")


def test_a_record_is_what_the_queue_holds(any_engine: Engine) -> None:
    """Attempts that failed and were tried again ran too, and what runs now has no end."""
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        stock.evaluations(connection, campaign.id, 3)
        here = stock.launcher(connection)
        first, second = claim(connection, here, 2)
        fail(connection, here, [stock.failure(first)])
        complete(connection, here, [stock.success(second)])
        (again,) = claim(connection, here, 1)
    with reading(any_engine) as connection:
        read = read_campaign(connection, campaign)
    spans = sorted(
        (one.evaluation_id, one.attempt, one.move, one.finished_at is None) for one in read.attempts
    )
    assert spans == [
        (first.id, 1, "retry", False),
        (first.id, 2, "", True),
        (second.id, 1, "complete", False),
    ]
    assert again.id == first.id
    assert [(one.id, one.host, one.slots, one.allocation) for one in read.launchers] == [
        (here, "node1", 4, None)
    ]
    assert len(read.evaluations) == 3
    assert "digits" in report_html(read)


def test_attempts_that_overlap_lie_in_lanes_of_their_own() -> None:
    """A lane is a slot: what ran at once was in two, what followed was in the same one."""
    spans = [
        AttemptSpan(1, 1, 1, "n1", 0.0, 10.0, "complete"),
        AttemptSpan(2, 1, 1, "n1", 1.0, 4.0, "fail"),
        AttemptSpan(3, 1, 1, "n1", 4.0, 6.0, "complete"),
        AttemptSpan(4, 1, 1, "n2", 4.0, None, ""),
        AttemptSpan(5, 1, 1, "n1", 10.0, 12.0, "release"),
        AttemptSpan(6, 1, 2, "n1", 11.0, 12.0, "complete"),
    ]
    lanes = [
        (one.launcher_id, one.node, [span.evaluation_id for span in one.attempts])
        for one in slot_lanes(spans)
    ]
    assert lanes == [(1, "n1", [1, 5]), (1, "n1", [2, 3]), (1, "n2", [4]), (2, "n1", [6])]


def test_the_timeline_tells_how_each_attempt_ended() -> None:
    """An interruption is no failure, what was tried again was one, and what runs has run until now."""
    spans = [
        AttemptSpan(1, 1, 1, "n1", T0 + 0.0, T0 + 10.0, "retry"),
        AttemptSpan(1, 2, 1, "n1", T0 + 20.0, T0 + 30.0, "complete"),
        AttemptSpan(2, 1, 1, "n1", T0 + 40.0, T0 + 50.0, "sweep"),
        AttemptSpan(3, 1, 1, "n1", T0 + 60.0, None, ""),
    ]
    told = embedded(report_html(record(ROWS, attempts=spans, at=T0 + 100.0)), "timeline")
    assert told["bars"] == {
        "lane": [0, 0, 0, 0],
        "start": [0, 20, 40, 60],
        "end": [10, 30, 50, 100],
        "outcome": [1, 0, 2, 3],
        "count": [1, 1, 1, 1],
        "id": [1, 1, 2, 3],
    }
    assert told["outcomes"] == ["done", "failed", "interrupted", "running", "paused"]
    assert (told["span"], told["lanes"]) == (100, [{"launcher": 1, "node": "n1"}])


def test_many_attempts_are_few_bars_and_none_is_lost() -> None:
    """What is too short to be seen is drawn together; the counts still say how many."""
    spans = [
        AttemptSpan(number, 1, 1, f"n{number % 700}", number * 0.1, number * 0.1 + 60.0, "complete")
        for number in range(30_000)
    ]
    told = timeline_json(record(ROWS, attempts=spans, launchers=[], at=4000.0))
    bars: Any = told["bars"]
    assert len(bars["lane"]) <= MOST_BARS
    assert len(told["lanes"]) == MOST_LANES  # type: ignore[arg-type]
    assert told["left_out"] == 700 - MOST_LANES
    assert sum(bars["count"]) == told["attempts"]


def test_parameters_keep_the_order_and_the_values_of_the_problem() -> None:
    """A choice is its place among the choices, a conditional parameter that is not active is none."""
    rows = [
        evaluation(1, 2.0, configuration={"lr": 0.1, HOSTILE: "a", "units": 3}),
        evaluation(2, None, configuration={"lr": 0.01, HOSTILE: HOSTILE}),
        evaluation(3, 1.0, configuration={"lr": 5.0, HOSTILE: "gone", "units": 3}),
        evaluation(4, 1.5, configuration={"lr": 0.1, HOSTILE: "a", "units": 3}),
    ]
    told = embedded(report_html(record(rows)), "parameters")
    assert [axis["name"] for axis in told["axes"]] == ["lr", harmless(HOSTILE), "units"]
    assert told["axes"][0] == {"name": "lr", "choices": None, "low": 1e-4, "high": 5.0, "log": True}
    assert told["axes"][1]["choices"] == ["a", harmless(HOSTILE), "gone"]
    assert told["columns"] == [[0.1, 0.01, 5.0, 0.1], [0, 1, 2, 0], [3, None, 3, 3]]
    assert told["value"] == [2, None, 1, 1.5]
    assert told["effects"][2] == [[3, 1.25, 1.5, 1.75, 3]]


def test_truth_values_and_numbers_are_different_choices() -> None:
    """In Python True equals 1, in a space it does not."""
    space = {"hyperparameters": [{"name": "c", "choices": [True, 1, 1.0, "1"]}]}
    (axis,) = parameter_axes({"space": space})
    assert [axis.position(value) for value in (True, 1, 1.0, "1", None)] == [0, 1, 2, 3, None]


def test_the_best_are_in_every_sample() -> None:
    """They are what one looks for."""
    rows = [evaluation(number, float(number % 5000 + 1)) for number in range(1, 6001)]
    told = parameters_json(rows, {"space": SPACE}, "minimize", {})
    ids: Any = told["id"]
    assert len(ids) == MOST_ROWS
    best = sorted(rows, key=lambda row: row.objective or 0.0)[:50]
    assert {row.id for row in best} <= set(ids)


CONDITIONAL = ConfigurationSpace(space={"x": (0.0, 1.0), "kind": ["plain", "curved"], "bend": (1, 3)})
CONDITIONAL.add(EqualsCondition(CONDITIONAL["bend"], CONDITIONAL["kind"], "curved"))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_partial_dependence_knows_what_matters(direction: str) -> None:
    """The slope of x, the better kind, and nothing where a parameter is not active."""
    sign = 1.0 if direction == "minimize" else -1.0
    draws = np.random.default_rng(0)
    rows = []
    for number in range(1, 201):
        x, kind, bend = float(draws.random()), ("plain", "curved")[number % 2], int(draws.integers(1, 4))
        bent = {"bend": bend} if kind == "curved" else {}
        value = sign * (3.0 * x + (1.0 if kind == "curved" else 0.0))
        rows.append(evaluation(number, value, configuration={"x": x, "kind": kind, **bent}))
    rows.append(evaluation(201, 0.0, configuration={"gone": 1}))
    problem = {"space": space_to_json(CONDITIONAL)}
    found = partial_dependence(rows, problem, direction, 60)
    told: Any = parameters_json(rows, problem, direction, found)
    assert [len(points) for points in told["dependence"]] == [
        len(found[axis["name"]]) for axis in told["axes"]
    ]
    means = {name: [sign * mean for _, _, mean, _ in points] for name, points in found.items()}
    assert means["x"][-1] - means["x"][0] > 2.0
    assert [value for value, *_ in found["bend"]] == [1, 2, 3]
    assert max(means["bend"]) - min(means["bend"]) < 0.3
    assert all(low <= mean <= high for points in found.values() for _, low, mean, high in points)
    kinds = dict(zip((value for value, *_ in found["kind"]), means["kind"], strict=True))
    assert kinds["curved"] - kinds["plain"] > 0.5
    assert partial_dependence(rows[:10], problem, direction, 60) == {}


def test_importance_and_rules_are_told_with_their_commands() -> None:
    """What one would do next stands beside what failed, and no name becomes markup."""
    rule = (
        "batch >= 512 and layers > 6",
        37,
        41,
        0.9,
        HOSTILE,
        HOSTILE,
        f"ambs space net --forbid '{HOSTILE}'",
    )
    told = record(
        ROWS,
        importance=Importance(
            rows=7,
            explained=0.2,
            parameters=(VarianceShare((HOSTILE,), 0.75, 0.05), VarianceShare(("lr",), 0.2, 0.3)),
            pairs=(VarianceShare((HOSTILE, "lr"), 0.03, 0.01), VarianceShare(("lr", "units"), 0.001, 0.0)),
        ),
        explained=(
            ExplainedFailure(FailureKind.OUT_OF_MEMORY, HOSTILE, (rule,), (f"ambs rerun {HOSTILE}",)),
            ExplainedFailure(FailureKind.ERROR, "", (), (), f"too few to be sure: {HOSTILE}"),
        ),
    )
    page = report_html(told)
    for words in (
        "<td class=number>75.0%</td><td class=number>± 5.0%</td>",
        'width="75.00"',
        'd="M0.00,4H50.00"',  # the deviation ends at zero
        "explains 20% of results that it has not seen: these shares mean little yet.",
        "<b>batch &gt;= 512 and layers &gt; 6</b>: 37 of 41 such failures, and 90% of all that ran there",
        "ambs rerun",
        "too few to be sure: ",
    ):
        assert words in page
    assert page.count("class=bar") == 3  # an interaction of next to nothing is left out
    assert HOSTILE not in page


def test_importance_waits_for_results() -> None:
    """Shares of three results would be noise that looks like knowledge."""
    assert "told once there are enough results" in report_html(record(ROWS))


@pytest.mark.parametrize(
    ("campaign", "file"),
    [
        ("net-2.1", "net-2.1.html"),
        ("../../home/me/.profile", "home-me-.profile.html"),
        ("/etc/x", "etc-x.html"),
        ("n" * 300, f"{'n' * 60}.html"),
        ("..", "campaign.html"),
    ],
)
def test_a_campaigns_name_leads_out_of_no_folder(campaign: str, file: str) -> None:
    """Whoever may write a row may not choose where on my disk the report lies."""
    assert default_name(campaign) == file


def test_a_time_beyond_all_calendars_is_written_as_it_is() -> None:
    """One wrong row shall not cost the whole report."""
    assert "1e+18 s" in report_html(record([evaluation(1, 0.5, finished_at=1e18)]))


def test_a_command_with_a_hostile_name_can_be_pasted() -> None:
    """The name is one word of the shell, whatever it holds."""
    told = record([evaluation(1, None)])
    definition = replace(told.campaign.definition, name="x; touch taken")
    told = replace(told, campaign=replace(told.campaign, definition=definition))
    assert "--campaign &#x27;x; touch taken&#x27;" in report_html(told)
