"""`ambs`: the table of commands, and the border where errors become messages and exit codes."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from ambs_hpc import __version__
from ambs_hpc.cli.checked_values import CheckedCommands
from ambs_hpc.cli.commands import (
    add,
    allocations,
    allow,
    autosubmit,
    best,
    cancel,
    check,
    compare,
    database,
    ensemble,
    export,
    importance,
    init,
    launch,
    ledger,
    list_evaluations,
    logs,
    nodes,
    plot,
    report,
    rerun,
    run,
    search,
    serve,
    show,
    simulate,
    site,
    space,
    sql,
    status,
    submit,
    tell,
    top,
    why,
)
from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR, EXIT_STOPPED
from ambs_hpc.cli.shared.terminal import HarmlessFormatter, echo, write, write_traceback
from ambs_hpc.cli.standard_streams import STDOUT, give_up_stdout, hold_standard_streams
from ambs_hpc.cli.whole_summaries import WholeSummaries
from ambs_hpc.errors import AmbsError, UsageError, nearest

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HELP = f"""Asynchronous model-based search that keeps a whole supercomputer allocation busy.

Exit codes: 0 what was asked was done; {EXIT_ERROR} an error, told in words; 2 a wrong command line;
{EXIT_STOPPED} stopped before it was done (the same command goes on where it was).
"""

# No rich help pages: importing them would triple the start-up time.
app = CheckedCommands(
    cls=WholeSummaries,
    help=HELP,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def print_version(is_asked: bool) -> None:
    """Print name and version, and end, if that is what was asked for."""
    if is_asked:
        echo(f"ambs_hpc {__version__}")
        raise typer.Exit


@app.callback()
def accept_options(
    version: Annotated[  # only its callback looks at it
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that stand before a command; the help text is HELP."""


app.command("run")(run.run)
app.command("search")(search.search)
app.command("launch")(launch.launch)
app.command("status")(status.status)
app.command("list")(list_evaluations.list_evaluations)
app.command("show")(show.show)
app.command("logs")(logs.logs)
app.command("best")(best.best)
app.command("ensemble")(ensemble.ensemble)
app.command("add")(add.add)
app.command("tell")(tell.tell)
app.command("rerun")(rerun.rerun)
app.command("cancel")(cancel.cancel)
app.command("space")(space.space)
app.command("serve")(serve.serve)
app.command("top")(top.top)
app.command("plot")(plot.plot)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("why")(why.why)
app.command("ledger")(ledger.ledger)
app.command("importance")(importance.importance)
app.command("export")(export.export)
app.command("sql")(sql.sql)
app.command("allow")(allow.allow_problem)
app.add_typer(database.app, name="db")
app.command("simulate")(simulate.simulate)
app.command("init")(init.init)
app.add_typer(site.app, name="site")
app.command("check")(check.check)
app.command("submit")(submit.submit)
app.command("autosubmit")(autosubmit.autosubmit)
app.add_typer(allocations.app, name="allocations")
app.command("nodes")(nodes.nodes)


def main() -> None:
    """Run the command line; every error becomes one message on stderr and an exit code."""
    hold_standard_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(HarmlessFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    try:
        logging.getLogger().setLevel(_log_level())
        try:
            app(prog_name="ambs")
        finally:
            sys.stdout.flush()  # a full device is told here, not by the interpreter's end
    except AmbsError as error:
        write(f"ambs: {error}\n", err=True)
        logging.getLogger(__name__).debug("raised here", exc_info=True)
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:  # `ambs list | head` is not an error
        give_up_stdout()
        sys.exit(0)
    except OSError as error:
        if error.filename == STDOUT:
            give_up_stdout()
            remedy = "Make room there, or send it elsewhere"
            write(f"ambs: stdout cannot be written: {error.strerror}. {remedy}.\n", err=True)
        elif error.filename is None:
            write_traceback(error)
        else:  # a folder that a person has named is missing, full or another one's
            write(f"ambs: {error.filename}: {error.strerror}. AMBS_LOG=DEBUG tells where.\n", err=True)
            logging.getLogger(__name__).debug("raised here", exc_info=True)
        sys.exit(EXIT_ERROR)
    except UnicodeEncodeError as error:  # of an argument, a path, a variable
        remedy = "Give names, paths, folders and variables in UTF-8"
        write(f"ambs: {error.object!r} holds bytes that are no {error.encoding} text. {remedy}.\n", err=True)
        logging.getLogger(__name__).debug("raised here", exc_info=True)
        sys.exit(EXIT_ERROR)
    except Exception as error:  # noqa: BLE001 (the border of the process)
        write_traceback(error)  # Python's own would print a stored text raw
        sys.exit(EXIT_ERROR)
    finally:
        _tell_left_out()


def _log_level() -> str:
    """The level that $AMBS_LOG names, WARNING without it or where it is empty."""
    named = os.environ.get("AMBS_LOG") or "WARNING"
    if named.upper() not in LOG_LEVELS:
        raise UsageError(f"AMBS_LOG={named!r}: no such level. {nearest(named.upper(), LOG_LEVELS)}")
    return named.upper()


def _tell_left_out() -> None:
    """Say how many rows were left out, where the database was read at all."""
    read = sys.modules.get("ambs_hpc.queue.sql.stored_values")
    words = read.left_out_words() if read is not None else ""
    if words:
        write(f"ambs: left out, because the database holds there what cannot be used: {words}\n", err=True)


if __name__ == "__main__":
    main()
