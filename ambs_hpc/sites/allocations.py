"""Allocations from request to end: submitted once, followed by one command for all of them."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import AmbsError, SubmissionRejected
from ambs_hpc.queue import (
    OVER,
    PREPARED,
    UNSENT,
    VANISHED,
    get_allocation,
    is_scheduler_id_taken,
    list_allocations,
    node_verdicts,
    note_allocation_state,
    note_refused,
    note_submitted,
    reading,
    transaction,
    usable,
)
from ambs_hpc.records import Allocation
from ambs_hpc.schedulers import (
    Backoff,
    CouldNotAsk,
    Scheduler,
    StatusAnswer,
    SubmitRequest,
    ask,
    found_by_name,
    registered,
    scheduler,
    submit,
)
from ambs_hpc.schedulers.balsam.scheduler import NAME as BALSAM
from ambs_hpc.sites.autosubmit_policy import UNKNOWN_NODE
from ambs_hpc.sites.node_hours_limit import prepare_within_limit
from ambs_hpc.sites.profile import Site
from ambs_hpc.sites.rendering import LaunchPlan, render_script, write_script
from ambs_hpc.sites.request import AllocationRequest
from ambs_hpc.sites.vanished import END_ASKED, askable, detail_of, how_it_vanished, is_young, may_appear

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

MOST_DOUBTED = 10  # questions by name at a time, for schedulers are shared; the others are for the next
NODE_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")  # what can stand in a directive
FOLDER = "ambs-allocations"  # in the campaign folder: scripts and what they print


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """The settings that all scripts of a campaign folder share.

    Args:
        arguments: the launcher's argument vector.
        preamble, environment: the folder's own; they follow those of the site.
        template: the folder's own; None takes the one for the site's scheduler.
    """

    arguments: Sequence[str]
    preamble: Sequence[str]
    environment: Mapping[str, str]
    template: Path | None = None


@dataclass(frozen=True, slots=True)
class BalsamBatch:
    """The settings of a Balsam site's batch job besides nodes and time.

    Args:
        mode: "serial", for many evaluations of one node each, or "mpi".
        filter_tags: Balsam's launcher runs only jobs with these tags.
    """

    site: str
    mode: str
    filter_tags: Mapping[str, str]

    def text(self, request: AllocationRequest) -> str:
        """The description that is submitted."""
        told = {
            "site": self.site,
            "nodes": request.nodes,
            "minutes": request.minutes,
            "queue": request.queue,
            "project": request.project,
            "mode": self.mode,
            "filter_tags": dict(self.filter_tags),
        }
        return json.dumps(told, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The result of asking the schedulers.

    Args:
        commands: how many commands were run.
        unheard: the questions without a usable answer; the states of their allocations are unchanged.
    """

    commands: int
    unheard: tuple[CouldNotAsk, ...]

    def noted(self, backoff: Backoff, now: float) -> Backoff:
        """The backoff after these questions: longer while a scheduler does not answer."""
        return backoff.note(now, self.unheard[0] if self.unheard else StatusAnswer({}))


def script_of(site: Site, request: AllocationRequest, settings: ScriptSettings, number: int) -> str:
    """The script of allocation `number`."""
    output = _script_file(request.folder, number, site.scheduler).with_suffix("")
    plan = LaunchPlan(settings.arguments, number, output, settings.preamble, settings.environment)
    return render_script(site, request, plan, settings.template)


def submit_allocation(
    engine: Engine, site: Site, request: AllocationRequest, settings: ScriptSettings, user: str
) -> Allocation:
    """Submit one allocation, which is stored in the database before the scheduler is called.

    Raises:
        SubmissionRejected: the scheduler refused it; the allocation is stored as REFUSED.
        SubmissionUnclear: the answer was lost; `refresh` finds the allocation by its name.
        AmbsError: the scheduler could not be asked, or max_node_hours are spent; nothing was submitted.
    """
    if registered(site.scheduler).can_leave_out:
        request = replace(request, left_out=left_out_nodes(engine, site))
    script_of(site, request, settings, 0)  # an error in it is reported before anything is stored
    try:
        return _submit_script(engine, site, request, settings, user)
    except SubmissionRejected as error:
        if not (request.left_out and UNKNOWN_NODE.search(error.output)):
            raise
        words = "no node is left out, since Slurm does not know one of %s: `ambs nodes --forgive NODE`"
        logger.warning(words, ", ".join(request.left_out))
        return _submit_script(engine, site, replace(request, left_out=()), settings, user)


def _submit_script(
    engine: Engine, site: Site, request: AllocationRequest, settings: ScriptSettings, user: str
) -> Allocation:
    def write(number: int, file: Path) -> None:
        write_script(file, script_of(site, request, settings, number))

    return _submit(engine, (site.name, site.scheduler), request, write, user)


def submit_chain(
    engine: Engine, site: Site, request: AllocationRequest, settings: ScriptSettings, user: str
) -> Iterator[Allocation]:
    """Submit `request.chain` allocations, each to start when the one before it has ended, however it did.

    Where the scheduler cannot wait, they do not depend on each other. One that is cancelled counts as ended.
    Errors are those of `submit_allocation`; nothing is submitted behind one that the scheduler did not take,
    or perhaps did not take.
    """
    can_wait = registered(site.scheduler).can_wait
    after = ""
    for left in range(request.chain, 0, -1):
        made = submit_allocation(engine, site, replace(request, after=after, chain=left), settings, user)
        yield made
        after = made.scheduler_id or "" if can_wait else ""


def left_out_nodes(engine: Engine, site: Site) -> tuple[str, ...]:
    """The site's nodes on which launchers start nothing: the infrastructure failed there too often."""
    with reading(engine) as connection:
        verdicts = node_verdicts(connection, site.name)
    return tuple(one.node for one in verdicts if one.is_left_out and NODE_NAME.match(one.node))


def submit_batch(engine: Engine, batch: BalsamBatch, request: AllocationRequest, user: str) -> Allocation:
    """Submit a batch job to a Balsam site, whose launcher runs in it; errors as in `submit_allocation`."""

    def write(_number: int, file: Path) -> None:
        file.write_text(batch.text(request))

    return _submit(engine, (batch.site, BALSAM), request, write, user)


def _submit(
    engine: Engine,
    where: tuple[str, str],
    request: AllocationRequest,
    write: Callable[[int, Path], None],
    user: str,
) -> Allocation:
    """Store, write and submit an allocation.

    Args:
        where: names of the site and of its scheduler.
        write: writes the script of an allocation number to the file that is submitted.
    """
    name = f"ambs-{secrets.token_hex(4)}"  # unique among all databases of this user
    asked = {**asdict(request), "folder": str(request.folder), "name": name}
    site_name, scheduler_name = where
    with transaction(engine) as connection:
        number = prepare_within_limit(connection, site_name, scheduler_name, asked, request)
    file = _script_file(request.folder, number, scheduler_name)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(number, file)
        answer = submit(_scheduler(scheduler_name, user, request.folder), _submission(file, name, request))
    except SubmissionRejected as error:
        with transaction(engine) as connection:
            note_refused(connection, number, error.output)
        raise
    with transaction(engine) as connection:
        if isinstance(answer, CouldNotAsk):
            note_refused(connection, number, str(answer), UNSENT)
        else:
            note_submitted(connection, number, answer.scheduler_id)
    if isinstance(answer, CouldNotAsk):
        raise AmbsError(f"{answer}. Nothing was submitted; try again when it answers.")
    with reading(engine) as connection:
        return get_allocation(connection, number)


def refresh(engine: Engine, user: str, now: float) -> Refreshed:
    """Ask each scheduler once about all allocations that are not over, and store the answers.

    Args:
        now: seconds since 1970 UTC.
    """
    with reading(engine) as connection:
        open_ones = usable(list_allocations(connection, over=False), askable)
    commands, unheard = 0, []
    for name in sorted({one.scheduler for one in open_ones}):
        mine = [one for one in open_ones if one.scheduler == name]
        for group in _by_folder(mine) if registered(name).records_in_folder else [mine]:
            asked, words = _refresh_one(engine, _scheduler(name, user, _folder(group[0])), group, now)
            commands += asked
            unheard += words
    return Refreshed(commands, tuple(dict.fromkeys(unheard)))


def cancel_allocation(engine: Engine, number: int, user: str) -> str:
    """Ask the scheduler to end an allocation; its objection, empty when it had none.

    Raises:
        NotFound: there is no allocation of that number.
        AmbsError: the allocation was never submitted, its row is of no use, or nobody could be asked.
    """
    with reading(engine) as connection:
        one = askable(get_allocation(connection, number))
    if one.scheduler_id is None and one.state == PREPARED:  # the answer to its submission was lost
        unheard = _look_for(engine, _scheduler(one.scheduler, user, _folder(one)), one, one.created_at)
        if unheard:
            raise AmbsError(f"{unheard[0]}. Allocation {number} is as it was.")
        with reading(engine) as connection:
            one = get_allocation(connection, number)
    if one.scheduler_id is None:
        raise AmbsError(f"Allocation {number} is not known to the scheduler: `ambs allocations` looks again.")
    answer = ask(_scheduler(one.scheduler, user, _folder(one)).cancel([one.scheduler_id]))
    if isinstance(answer, CouldNotAsk):
        raise AmbsError(f"{answer}. Allocation {number} is as it was.")
    objection = answer.refused.get(one.scheduler_id, "")
    if not objection:
        _note_end_asked(engine, number)
    return f"it has ended already ({objection})" if objection and one.state in OVER else objection


def _note_end_asked(engine: Engine, number: int) -> None:
    """Remember it until the scheduler tells more: one without a history only forgets the allocation."""
    with transaction(engine) as connection:
        state = get_allocation(connection, number).state
        if state not in OVER:
            note_allocation_state(connection, number, state, detail=END_ASKED)


def _refresh_one(
    engine: Engine, its_scheduler: Scheduler, group: Sequence[Allocation], now: float
) -> tuple[int, list[CouldNotAsk]]:
    known = {one.scheduler_id: one for one in group if one.scheduler_id is not None}
    unheard: list[CouldNotAsk] = []
    commands = 0
    for one in group:
        if one.scheduler_id is None and one.state == PREPARED:
            commands += 1
            unheard += _look_for(engine, its_scheduler, one, now)
    if known:
        commands += 1
        answer = ask(its_scheduler.status([*known]))
        if isinstance(answer, CouldNotAsk):
            logger.info("scheduler not heard: %s", answer)
            unheard.append(answer)
        else:
            _store(engine, known, answer)
            if answer.unanswered:
                silent = ", ".join(sorted(answer.unanswered))
                told = f"it gave no word about {silent}: look there if that stays so"
                unheard.append(CouldNotAsk(its_scheduler.name, told))
            asked, words = _look_again(engine, its_scheduler, [known[each] for each in answer.vanished], now)
            commands += asked
            unheard += words
    return commands, unheard


def _look_for(engine: Engine, its_scheduler: Scheduler, one: Allocation, now: float) -> list[CouldNotAsk]:
    """Find an allocation whose submission's answer was lost; it is given up only after a usable answer."""
    found = found_by_name(its_scheduler, _asked_for(one))
    if isinstance(found, CouldNotAsk):
        return [found]
    with transaction(engine) as connection:
        # Without names equal ones look alike: what is stored already is another.
        if found is not None and not is_scheduler_id_taken(connection, one.scheduler, found.scheduler_id):
            note_submitted(connection, one.id, found.scheduler_id)
        elif not is_young(one, now):
            note_allocation_state(
                connection, one.id, VANISHED, detail="never seen by the scheduler, or over before we looked"
            )
    return []


def _store(engine: Engine, known: Mapping[str, Allocation], answer: StatusAnswer) -> None:
    with transaction(engine) as connection:
        for scheduler_id, status in answer.known.items():
            one = known[scheduler_id]
            note_allocation_state(
                connection,
                one.id,
                status.state.value,
                detail=detail_of(one, status, _own_script(one)),
                started_at=status.started_at,
                ends_at=status.ends_at,
                expected_start_at=status.expected_start_at,
            )


def _look_again(
    engine: Engine, its_scheduler: Scheduler, vanished: Sequence[Allocation], now: float
) -> tuple[int, list[CouldNotAsk]]:
    """Ask by name for what the scheduler says not to know: it is over only when its name is unknown too.

    Beside an id that has vanished, another of the same name may live: the client had submitted it twice.
    """
    unheard: list[CouldNotAsk] = []
    doubted = vanished[:MOST_DOUBTED]
    for one in doubted:
        found = (
            None if one.scheduler == BALSAM else found_by_name(its_scheduler, _asked_for(one), living=True)
        )
        if isinstance(found, CouldNotAsk):
            unheard.append(found)
            continue
        with transaction(engine) as connection:
            if found is None and not may_appear(one, _own_script(one), now):
                state, detail = how_it_vanished(one, _own_script(one))
                note_allocation_state(connection, one.id, state, detail=detail)
            elif found is not None and found.scheduler_id != one.scheduler_id:
                note_submitted(connection, one.id, found.scheduler_id)
    return len(doubted), unheard


def _submission(file: Path, name: str, request: AllocationRequest) -> SubmitRequest:
    return SubmitRequest(file, name, file.parent, 60 * request.minutes, request.after)


def _asked_for(one: Allocation) -> SubmitRequest:
    """The request of an allocation as far as it is needed to find it again."""
    return _submission(_own_script(one), str(one.request["name"]), _minutes_only(one.request))


def _minutes_only(asked: Mapping[str, object]) -> AllocationRequest:
    return AllocationRequest(1, int(str(asked["minutes"])), Path(str(asked["folder"])))


def _script_file(folder: Path, number: int, scheduler_name: str) -> Path:
    return folder / FOLDER / f"{number}.{registered(scheduler_name).script_suffix}"


def _own_script(one: Allocation) -> Path:
    return _script_file(_folder(one), one.id, one.scheduler)


def _folder(one: Allocation) -> Path:
    return Path(str(one.request["folder"]))


def _scheduler(name: str, user: str, folder: Path) -> Scheduler:
    return scheduler(name, user=user, folder=folder / FOLDER)


def _by_folder(group: Sequence[Allocation]) -> list[list[Allocation]]:
    folders = sorted({_folder(one) for one in group})
    return [[one for one in group if _folder(one) == folder] for folder in folders]
