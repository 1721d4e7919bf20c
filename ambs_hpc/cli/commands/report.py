"""`ambs report`: a campaign as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database, OneCampaign
from ambs_hpc.cli.shared.terminal import echo

if TYPE_CHECKING:
    from sqlalchemy import Engine

SHORTEST_SECONDS = 5.0


def report(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The .html file; by default CAMPAIGN.html."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            "--every", metavar="TIME", help="Write it again after each such time, as 5m, till Ctrl-C."
        ),
    ] = None,
    campaign: OneCampaign = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Write a page with progress, slots over time, failures, parameters, allocations and settings.

    The file needs no network and no other file: copy it with scp, open it in any browser.
    """
    import time

    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
    from ambs_hpc.queue import patient

    pause = None if every is None else pause_seconds(every)
    engine = open_engine(db)
    told = write_report(engine, campaign, output)
    if as_json:
        print_json(told)
    else:
        megabytes = int(told["bytes"]) / 1e6
        echo(f"Wrote {told['file']} ({told['evaluations']} evaluations, {megabytes:.2f} MB)")
        echo(f"Open it in a browser: {Path(str(told['file'])).resolve().as_uri()}")
    if pause is None:
        return
    engine = patient(engine)
    while True:
        time.sleep(pause)
        try:
            write_report(engine, campaign, output)
        except (DatabaseUnreachable, DatabaseLocked) as error:  # it comes back; the last page stays
            echo(f"{error} The page stays as it was; the next try is in {every}.", err=True)


def write_report(engine: Engine, campaign: str | None, output: Path | None) -> dict[str, int | str]:
    """Read the campaign and write its page; what was written: file, campaign, evaluations, bytes.

    Raises:
        UsageError: several campaigns and none named, or the file cannot be written.
    """
    from ambs_hpc import queue
    from ambs_hpc.api.live.report_record import report_record, without_collector
    from ambs_hpc.cli.shared.options import one_campaign
    from ambs_hpc.reporting.html.document import report_html
    from ambs_hpc.reporting.html.report_file import default_name
    from ambs_hpc.reporting.whole_file import write_whole

    with queue.reading(engine) as connection:
        chosen = one_campaign(connection, campaign)
    with without_collector():
        record = report_record(engine, chosen)
        content = report_html(record)
    file = output or Path(default_name(record.campaign.name))
    write_whole(file, content)
    return {
        "file": str(file),
        "campaign": record.campaign.name,
        "evaluations": len(record.evaluations),
        "bytes": len(content.encode()),
    }


def pause_seconds(text: str) -> float:
    """Seconds of "30s", "5m", "2h".

    Raises:
        UsageError: it is none of these, or so short that the database would do nothing else.
    """
    from ambs_hpc.errors import UsageError

    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    seconds = (
        float(number) * units[unit] if number.isdecimal() and number.isascii() and unit in units else 0.0
    )
    if not SHORTEST_SECONDS <= seconds <= 7 * 86400:
        raise UsageError(f"--every {text}: give a time from 5s to 168h, such as 30s, 5m, 2h.")
    return seconds
