"""`ambs serve`: the report in a browser, as the campaign goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database, OneCampaign
from ambs_hpc.cli.shared.terminal import echo

if TYPE_CHECKING:
    from ambs_hpc.api.live.shared_page import SharedPage
    from ambs_hpc.records import Campaign

LEAST_SECONDS = 5.0


def serve(
    campaign: OneCampaign = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="On which to listen; by default a free one.")
    ] = 0,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Serve the report of a campaign to your browser, live, till Ctrl-C; it only reads.

    It listens on this machine's loopback address alone, and its link has a key. From your own machine, the
    ssh command that it prints brings the port to you.
    """
    import sys
    import threading

    from ambs_hpc.api.interrupts import signals_to
    from ambs_hpc.api.live.page_access import PageAccess
    from ambs_hpc.api.live.page_server import PageServer, tunnel_command
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.identity import user_name

    chosen, page = shared_page(db, campaign)
    server = PageServer(page, PageAccess(), port)
    tunnel = tunnel_command(server.port, user_name())
    if as_json:
        print_json({"campaign": chosen.name, "link": server.link, "port": server.port, "tunnel": tunnel})
    else:
        echo(
            f"campaign {chosen.name}, till Ctrl-C. From your own machine:\n\n  {tunnel}\n\nThen open there:\n"
        )
        echo(f"  {server.link}\n\nWho has this link can read the campaign.")
    sys.stdout.flush()  # a script that reads the link waits for it
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    ended = threading.Event()
    with signals_to(lambda _: ended.set()):
        serving.start()
        ended.wait()
    page.close()
    server.shutdown()
    server.server_close()


def shared_page(db: str | None, name: str | None) -> tuple[Campaign, SharedPage]:
    """The campaign, and its page that is made where somebody looks at it.

    Raises:
        NotFound: there is no such campaign, or several and none is named.
    """
    from ambs_hpc.api.choices import only_campaign
    from ambs_hpc.api.live.report_record import live_page, page_stamp
    from ambs_hpc.api.live.shared_page import SharedPage
    from ambs_hpc.cli.shared.options import chosen_database, open_engine
    from ambs_hpc.postgres_server import reader_instead
    from ambs_hpc.queue import forbid_writes, patient, reading

    engine = forbid_writes(open_engine(reader_instead(chosen_database(db))))
    with reading(engine) as connection:
        chosen = only_campaign(connection, name)
    lasting = patient(engine)
    return chosen, SharedPage(
        lambda: page_stamp(lasting, chosen.id),
        lambda version: live_page(lasting, chosen, version),
        LEAST_SECONDS,
    )
