"""`ambs status`: progress of every campaign, its launchers and search, its failures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.timing import STALE_AFTER_SECONDS, hand_started_silence_seconds

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.queue import HeldNumber
    from ambs_hpc.records import Campaign, Launcher

FAILURES_SHOWN = 5
LATELY = 20  # evaluations whose share from sources says how far these are trusted now


def status(campaign: CampaignName = None, db: Database = None, as_json: AsJson = False) -> None:
    """Show counts, best objective, rate, failures by cause, live launchers and searches."""
    from ambs_hpc.api.reasons.problem_files import can_submit
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.queue import list_campaigns, reading

    with reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else list_campaigns(connection)
        told = [_campaign_status(connection, one) | _checkpoint_status(connection, one) for one in chosen]
        holders = _launchers_status(connection)
        alive, last = holders["launchers"], holders["last_launcher"]
        failed = None if alive else _without_launcher(connection)
    if as_json:
        print_json({"campaigns": told, **holders})
        return
    for one in told:
        _write(one)
    if not told:
        write("No campaign yet: ambs run PROBLEM\n")
    write(f"launchers alive: {len(alive)}, slots: {sum(one['slots'] for one in alive)}\n")
    for one in alive:
        _write_launcher(one)
    for one in holders["silent"]:
        _write_silent(one)
    waiting = sum(one["counts"]["READY"] for one in told)
    if waiting and not alive:
        next_step = "ambs why idle" if can_submit(Path.cwd()) else "ambs launch"  # one may be queued
        write(f"{waiting} evaluations wait and no launcher is alive: {next_step}\n")
        if last is not None and last["id"] not in [one["id"] for one in holders["silent"]]:
            _write_launcher(last, last=True)
        if failed:
            write(f"  {failed}\n")


def _launchers_status(connection: Connection) -> dict[str, Any]:
    """Those alive, those that hold evaluations in silence, and where none is alive the last one."""
    from ambs_hpc.api.reasons.known_deaths import is_launcher_dead
    from ambs_hpc.queue import held_by_launcher, holders, last_launcher, live_launchers

    held = held_by_launcher(connection)
    alive = [one for one in live_launchers(connection, STALE_AFTER_SECONDS) if not is_launcher_dead(one)]
    silent = [
        one
        for one in holders(connection)
        if is_launcher_dead(one) or (not one.ended and one.heartbeat_age_seconds > STALE_AFTER_SECONDS)
    ]
    newest = None if alive else last_launcher(connection)
    return {
        "launchers": [_launcher_status(connection, one, held) for one in alive],
        "silent": [_launcher_status(connection, one, held) for one in silent],
        "last_launcher": None if newest is None else _launcher_status(connection, newest, held),
    }


def _campaign_status(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    from ambs_hpc.api.reasons.known_deaths import has_living_search
    from ambs_hpc.insight.provenance_words import departures
    from ambs_hpc.queue import counts, marks_of, number_running, provenance_of, throughput

    pace = throughput(connection, campaign.id)
    marks = marks_of(connection, campaign.id)
    return {
        "campaign": campaign.name,
        "method": campaign.definition.method,
        "direction": campaign.definition.direction,
        "max_evaluations": campaign.definition.max_evaluations,
        "counts": {state.value: number for state, number in counts(connection, campaign.id).items()},
        "running": number_running(connection, campaign.id),
        "added": marks.added,
        "imported": marks.imported,
        **_best_status(connection, campaign),
        "goals": _goal_status(connection, campaign),
        "per_hour": pace.per_hour,
        "mean_run_seconds": pace.mean_run_seconds,
        "search_alive": has_living_search(connection, campaign.id),
        **_source_status(connection, campaign),
        "launchers_differ": [one.words for one in departures(provenance_of(connection, campaign.id))],
        "notices": _notice_status(connection, campaign),
        "failures": _failure_status(connection, campaign),
    }


def _best_status(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    """The best result, and what was remarked about it."""
    from ambs_hpc.api.objectives.goal_summary import why_infeasible
    from ambs_hpc.api.outside_note import outside_note
    from ambs_hpc.queue import best, goals_of_stored, result_note

    leading = best(connection, campaign.id, 1)
    notes = [result_note(connection, one.id) for one in leading]
    notes += [outside_note(campaign, one.configuration) for one in leading]
    goals = goals_of_stored(campaign)
    notes += [why_infeasible(goals, one) for one in leading]
    return {
        "best": {"id": leading[0].id, "objective": leading[0].objective} if leading else None,
        "note": ". ".join(filter(None, notes)),
    }


def _failure_status(connection: Connection, campaign: Campaign) -> list[dict[str, Any]]:
    from ambs_hpc.queue import failure_words, failures

    groups = failures(connection, campaign.id)
    words = failure_words(connection, campaign.id, groups)
    return [
        {
            "kind": group.kind.value,
            "number": group.number,
            "signature": group.signature,
            "said": one.said,
            "said_by_all": one.is_of_all,
            "example_id": group.example_id,
        }
        for group, one in zip(groups, words, strict=True)
    ]


def _notice_status(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    from ambs_hpc.queue import notices_of

    told = notices_of(connection, campaign.id)
    failed = [one.error for one in told if one.error]
    return {
        "sent": sum(one.sent_at is not None for one in told),
        "not_sent": len(failed),
        "last_error": failed[-1] if failed else "",
    }


def _goal_status(connection: Connection, campaign: Campaign) -> dict[str, Any] | None:
    from ambs_hpc.api.objectives.goal_summary import standing_of

    standing = standing_of(connection, campaign)
    return None if standing is None else {**standing.json(), "lines": list(standing.lines())}


def _source_status(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    from ambs_hpc.queue import proposed_from_sources, source_summaries

    sources = source_summaries(connection, campaign.id)
    taught = proposed_from_sources(connection, campaign.id, LATELY) if sources else (0, 0)
    return {
        "sources": [{"name": one.name, "observations": one.observations} for one in sources],
        "proposed_from_sources": taught[0],
        "proposed_from_sources_lately": taught[1],
    }


def _checkpoint_status(connection: Connection, campaign: Campaign) -> dict[str, Any]:
    from ambs_hpc.problem.checkpoint_policy import KEEP_ALL
    from ambs_hpc.queue import freed_space

    policy = campaign.definition.problem.get("checkpoints", KEEP_ALL)
    return {"checkpoints": {"policy": policy, **freed_space(connection, campaign.id)._asdict()}}


def _without_launcher(connection: Connection) -> str:
    """Why no launcher started in the newest allocation, if it is over and its script said why; else ""."""
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.queue import list_allocations
    from ambs_hpc.sites.vanished import NO_LAUNCHER

    newest = next(iter(list_allocations(connection, limit=1)), None)
    if newest is None or NO_LAUNCHER not in newest.detail:
        return ""
    return f"last allocation {newest.id} ({newest.scheduler_id}): {cell(newest.detail)}"


def _launcher_status(connection: Connection, one: Launcher, held_by: dict[int, HeldNumber]) -> dict[str, Any]:
    from ambs_hpc.api.reasons.known_deaths import is_launcher_dead
    from ambs_hpc.queue import HeldNumber, get_allocation

    in_allocation = one.identity.allocation_id
    holds = held_by.get(one.id, HeldNumber(0, 0))
    allocation = None if in_allocation is None else get_allocation(connection, in_allocation)
    return {
        "id": one.id,
        "host": one.identity.host,
        "allocation": None if allocation is None else allocation.scheduler_id,
        "slots": one.identity.slots,
        "running": holds.running,
        "held": holds.held,
        "utilisation": one.utilisation,
        "idle": one.idle,
        "ended": one.ended,
        "dead": is_launcher_dead(one),
        "heartbeat_age_seconds": one.heartbeat_age_seconds,
    }


def _write_launcher(told: dict[str, Any], *, last: bool = False) -> None:
    from ambs_hpc.cli.shared.output import cell, duration

    which = f"{'last ' if last else ''}launcher {told['id']}"
    where = f" in {told['allocation']}" if told["allocation"] else ""
    words = [f"{told['running']} of {told['slots']} slots busy"]
    if told["held"] > told["running"]:  # of short ones it is not known which of them run
        words = [f"{told['slots']} slots, holds {told['held']} evaluations"]
        words[0] += f", {told['running']} of them known to run" if told["running"] else ""
    if told["utilisation"] is not None:
        words[0] += f", {told['utilisation']:.0%} of slot-time so far"
    if told["idle"]:
        words.append(cell(told["idle"]))
    if told["dead"]:
        words.append("it is dead")
    elif last and not told["ended"]:
        words.append(f"no sign of life for {duration(told['heartbeat_age_seconds'])}")
    write(f"  {which} on {cell(told['host'])}{where}: {'; '.join(words)}\n")


def _write_silent(told: dict[str, Any]) -> None:
    """Say who holds evaluations and gives no sign of life, and what becomes of them."""
    from ambs_hpc.cli.shared.output import cell, duration

    silence = f"has been silent for {duration(told['heartbeat_age_seconds'])}"
    if told["dead"]:
        silence, then = "is dead", "they go back to the queue with the next launcher or search that looks"
    elif told["allocation"]:
        then = f"its evaluations are freed when the scheduler says that {told['allocation']} is over"
    else:
        then = f"it is given up after {duration(hand_started_silence_seconds())}, by a launcher that is alive"
    who = f"launcher {told['id']} on {cell(told['host'])}"
    write(f"  {who} holds {told['held']} evaluations and {silence}: {then}\n")


def _write(told: dict[str, Any]) -> None:
    from ambs_hpc.api.progress_words import described_states
    from ambs_hpc.cli.shared.output import cell, duration
    from ambs_hpc.queue import FailureWords
    from ambs_hpc.shown_text import logs_command
    from ambs_hpc.states import FailureKind, State

    counts = {State(state): number for state, number in told["counts"].items()}
    numbers = described_states(counts, told["running"])
    budget = f" of {told['max_evaluations']}" if told["max_evaluations"] else ""
    if budget and told["added"]:
        budget += f" and {told['added']} added"
    imported = f"; {told['imported']} imported" if told["imported"] else ""
    write(f"{cell(told['campaign'])} ({told['method']}){budget}: {numbers or 'nothing yet'}{imported}\n")
    for line in told["goals"]["lines"] if told["goals"] else []:
        write(f"  {cell(line)}\n")
    if told["best"] and not (told["goals"] and len(told["goals"]["objectives"]) > 1):
        write(f"  best {cell(told['best']['objective'])} (evaluation {told['best']['id']})\n")
    if told["note"]:
        write(f"  {cell(told['note'])}\n")
    if told["per_hour"]:
        write(f"  {told['per_hour']:.0f} an hour, {duration(told['mean_run_seconds'])} each\n")
    for source in told["sources"]:
        write(f"  from {cell(source['name'])}: {source['observations']} results\n")
    if told["sources"]:
        lately = f"{told['proposed_from_sources_lately']} of the newest {LATELY}"
        write(f"  proposed from these: {told['proposed_from_sources']} evaluations, {lately}\n")
    _write_checkpoints(told["checkpoints"])
    write(f"  search {'alive' if told['search_alive'] else 'not running'}\n")
    for words in told["launchers_differ"][-1:]:
        write(f"  {cell(words)}\n")
    if earlier := told["launchers_differ"][:-1]:
        write(f"  {len(earlier)} earlier launchers differed from the one before: ambs status --json\n")
    if told["notices"]["not_sent"]:
        number, why = told["notices"]["not_sent"], told["notices"]["last_error"]
        write(f"  {number} notices were not sent, the last: {cell(why)}\n")
    for group in told["failures"][:FAILURES_SHOWN]:
        said = FailureWords(group["said"], group["said_by_all"])
        like = logs_command(group["example_id"], FailureKind(group["kind"]))
        write(f"  {group['number']} x {group['kind']}{cell(said.told)} ({like})\n")


def _write_checkpoints(told: dict[str, Any]) -> None:
    from ambs_hpc.shown_text import binary_size

    if told["removed"]:
        freed = f"{told['removed']} removed, {binary_size(told['freed_bytes'])} freed"
        write(f"  checkpoints, {told['policy']}: {freed}\n")
