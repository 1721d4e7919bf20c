"""`ambs top`: what happens, in the terminal, as it happens."""

from __future__ import annotations

import typer

from ambs_hpc.cli.shared.options import CampaignName, Database


def top(campaign: CampaignName = None, db: Database = None) -> None:
    """Watch campaigns, evaluations, launchers and failures in the terminal; ? lists the keys.

    It reads, and changes nothing but what you cancel or rerun there after a question.
    """
    import logging
    import sys

    from ambs_hpc.api.choices import named_campaign
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.errors import UsageError
    from ambs_hpc.queue import patient, reading

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("ambs top needs a terminal (ssh -t HOST ambs top). For scripts: ambs status --json")
    try:
        from ambs_hpc.cli.top.top_application import TopApplication
    except ImportError as error:
        raise UsageError(f"ambs top needs Textual: pip install textual ({error}).") from error

    engine = open_engine(db)
    with reading(engine) as connection:
        named_campaign(connection, campaign)
    logging.disable(logging.WARNING)  # the screen is its own; what was left out is told at its end
    shown = engine.url.render_as_string(hide_password=True)
    application = TopApplication(patient(engine), shown, campaign or "")
    application.run()
    raise typer.Exit(application.return_code or 0)
