"""`ambs site`: the machines that this program knows, and the check of site files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.checked_values import CheckedCommands
from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR
from ambs_hpc.cli.shared.options import AsJson
from ambs_hpc.cli.shared.terminal import echo, write
from ambs_hpc.cli.whole_summaries import WholeSummaries

app = CheckedCommands(
    cls=WholeSummaries,
    help="Machines: list, show, check.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="SITE", help="Name of a site, or the path of a site file.")]


@app.command("list")
def list_sites(as_json: AsJson = False) -> None:
    """List the sites that come with this program; a file of your own can extend one."""
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.sites import load_site, site_names

    sites = [load_site(name) for name in site_names()]
    if as_json:
        print_json([_summary(site) for site in sites])
        return
    columns = ("name", "scheduler", "nodes", "as of", "description")
    print_table(
        columns,
        [
            (
                site.name,
                site.scheduler,
                site.nodes,
                site.as_of,
                site.description + (f" (retired {site.retired})" if site.retired else ""),
            )
            for site in sites
        ],
    )


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Print all that is known of a site in the form of a site file."""
    import msgspec

    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.sites import load_site, site_text

    site = load_site(name, Path.cwd())
    if as_json:
        print_json(msgspec.to_builtins(site))
        return
    write(site_text(site))


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Site files.")],
    as_json: AsJson = False,
) -> None:
    """Check site files; the first error of each is reported with its line."""
    from ambs_hpc.cli.shared.output import print_json

    verdicts = [_verdict(file) for file in files]
    if as_json:
        print_json(verdicts)
    for verdict in [] if as_json else verdicts:
        wrong = verdict["message"]
        echo(str(wrong or f"{verdict['file']}: valid"), err=wrong is not None)
    raise typer.Exit(0 if all(verdict["valid"] for verdict in verdicts) else EXIT_ERROR)


@app.command()
def schema() -> None:
    """Print the JSON Schema of site files, for editors."""
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.sites.json_schema import site_schema

    print_json(site_schema())


def _verdict(file: Path) -> dict[str, object]:
    from ambs_hpc.errors import NotFound, SiteInvalid
    from ambs_hpc.sites import load_site

    wrong: NotFound | SiteInvalid | None = None
    try:
        load_site(str(file.absolute()), file.absolute().parent)
    except (NotFound, SiteInvalid) as error:
        wrong = error
    place = wrong if isinstance(wrong, SiteInvalid) else None
    return {
        "file": str(file),
        "valid": wrong is None,
        "message": None if wrong is None else str(wrong),
        "line": place.line if place else None,
        "key": place.key if place else None,
    }


def _summary(site: object) -> dict[str, object]:
    from ambs_hpc.sites import Site

    assert isinstance(site, Site)
    return {
        "name": site.name,
        "scheduler": site.scheduler,
        "nodes": site.nodes,
        "as_of": site.as_of,
        "retired": site.retired,
        "description": site.description,
        "queues": sorted(site.queues),
    }
