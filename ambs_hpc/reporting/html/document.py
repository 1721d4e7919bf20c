"""The whole report as one HTML document, from a record alone: nothing is read and nothing written here."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from ambs_hpc.queue import goals_of_stored
from ambs_hpc.reporting.html import insight_sections, sections
from ambs_hpc.reporting.html.campaign_record import CampaignRecord
from ambs_hpc.reporting.html.front_section import front_section
from ambs_hpc.reporting.html.html_tables import text, utc
from ambs_hpc.reporting.html.json_script import json_script
from ambs_hpc.reporting.html.parameter_samples import MOST_AXES, parameters_json
from ambs_hpc.reporting.html.partial_dependence import partial_dependence
from ambs_hpc.reporting.html.progress_series import endings_of, progress_json
from ambs_hpc.reporting.html.slot_timeline import timeline_json

SCRIPTS = ("chart.js", "progress.js", "timeline.js", "effects.js", "parallel.js")
LIVE_SCRIPT = "live.js"


def report_html(record: CampaignRecord, *, live_version: int | None = None) -> str:
    """The document: it needs no network and no other file, and its policy allows neither.

    Below 2 MB for 10 000 evaluations, and not much above for any number: charts draw a sample and say so,
    while numbers, the running best and tables come from all evaluations.

    Args:
        live_version: of a page that a server sends; it then asks that server for newer ones.
    """
    name = record.campaign.name
    charts = _charts(record)
    scripts = "\n".join(json_script(told, f"data-{key}") for key, told in charts.items())
    failures = sections.failures(record) + insight_sections.failure_rules(record.explained)
    parts = [
        ("summary", "Summary", sections.summary(record)),
        *([("front", "Objectives and constraints", front)] if (front := front_section(record)) else []),
        ("progress", "Progress", _chart("progress")),
        ("timeline", "Slots over time", _chart("timeline")),
        ("parallel", "Configurations", _chart("parallel")),
        ("effects", "Parameters", insight_sections.importance(record) + _chart("effects")),
        ("failures", "Failures", failures),
        ("allocations", "Allocations", sections.allocations(record)),
        ("settings", "Settings", sections.settings(record)),
    ]
    links = "".join(f'<li><a href="#{key}">{title}</a></li>' for key, title, _ in parts)
    body = "".join(
        f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{title}</h2>{inside}</section>\n'
        for key, title, inside in parts
    )
    shown = f"{text(_aim(record))}; as of {text(utc(record.at))}, revision {record.campaign.revision}"
    is_live = live_version is not None
    live = f'<p id=live class=quiet role=status data-version="{live_version}">live</p>' if is_live else ""
    return (
        f"{_head(record, is_live=is_live)}<body>\n"
        f"<header><h1>{text(name)}</h1><p class=quiet>{shown}</p>{live}</header>\n"
        f'<nav aria-label="Parts of the report"><ul>{links}</ul></nav>\n<main>\n{body}</main>\n'
        f"<footer class=quiet>Written by ambs_hpc {text(record.version)}.</footer>\n"
        f"{scripts}\n"
        f"<script>{_script(is_live=is_live)}</script>\n</body></html>\n"
    )


def _head(record: CampaignRecord, *, is_live: bool) -> str:
    style = _asset("report.css")
    policy = _policy(style, _script(is_live=is_live), is_live=is_live)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="ambs_hpc {text(record.version)}">\n'
        f"<title>{text(record.campaign.name)} - ambs_hpc</title>\n<style>{style}</style></head>\n"
    )


def _charts(record: CampaignRecord) -> dict[str, dict[str, object]]:
    """The data of the charts, by the ids of their elements."""
    rows, definition = record.evaluations, record.campaign.definition
    problem, direction = definition.problem, definition.direction
    dependence = partial_dependence(rows, problem, direction, MOST_AXES)
    return {
        "progress": progress_json(endings_of(rows), rows, direction, goals_of_stored(record.campaign)),
        "timeline": timeline_json(record),
        "parameters": parameters_json(rows, problem, direction, dependence),
    }


def _aim(record: CampaignRecord) -> str:
    """What the campaign is after, in words."""
    goals = goals_of_stored(record.campaign)
    if not goals.has_several:
        aim = f"{record.campaign.definition.direction} the objective"
    else:
        aim = ", ".join(f"{direction} {name}" for name, direction in goals.directions.items())
    return f"{aim} within {', '.join(one.words for one in goals.constraints)}" if goals.constraints else aim


def _chart(key: str) -> str:
    return f'<div id="chart-{key}"></div><noscript><p class=quiet>The chart needs JavaScript.</p></noscript>'


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath("page_assets", name).read_text(encoding="utf-8")


def _script(*, is_live: bool) -> str:
    return "\n".join(map(_asset, (*SCRIPTS, LIVE_SCRIPT) if is_live else SCRIPTS))


def door_html() -> str:
    """The page that a server sends before it knows who asks: it holds nothing of any campaign."""
    style, script = _asset("report.css"), _asset("door.js")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script, is_live=True)}">\n'
        f"<title>ambs serve</title>\n<style>{style}</style></head>\n<body><main><h1>ambs serve</h1>"
        "<p id=told role=status>One moment ...</p><noscript><p>This page needs JavaScript.</p></noscript>"
        f"</main>\n<script>{script}</script></body></html>\n"
    )


def _policy(style: str, script: str, *, is_live: bool) -> str:
    """Only these two texts take effect, and nothing is loaded but, live, from the server of the page."""
    source = "; connect-src 'self'" if is_live else ""
    return f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'{source}"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
