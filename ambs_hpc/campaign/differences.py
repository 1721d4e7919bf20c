"""What a command line asks of a campaign that exists: the same, a revision, or another campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ambs_hpc.campaign.carry_over import STATED_SPACE, WAS
from ambs_hpc.campaign.settings import SearchSettings
from ambs_hpc.errors import CampaignConflict, UsageError, nearest
from ambs_hpc.problem.checkpoint_policy import KEEP_ALL
from ambs_hpc.problem.goals import goals_of
from ambs_hpc.problem.space import space_from_json, stored_space
from ambs_hpc.problem.space_differences import (
    StoredParameter,
    StoredSpace,
    clause_words,
    domain_words,
    parameters_of,
    space_differences,
)
from ambs_hpc.problem.space_edits import (
    narrowed,
    pinned,
    value_like,
    value_of,
    widened,
    with_forbidden,
)
from ambs_hpc.records import Campaign, NewCampaign, RevisedField, Value

CONSTRAINTS = "constraints"
ANY = "*"  # on the command line: with whatever value
# Fields of a problem that are more than values.
OWN_CHECKS = ("space", "objective", "direction", CONSTRAINTS)
FIDELITY = "fidelity"
LATER: Mapping[str, object] = {FIDELITY: None, "checkpoints": KEEP_ALL}  # fields, and what was without them
UNDONE = "this undoes what `ambs space` changed"
LONGEST = 60  # characters of a value in a message


def wanted_after(found: Campaign, wanted: NewCampaign, settings: SearchSettings) -> NewCampaign:
    """The campaign as this command line wants it, from what is stored.

    Raises:
        CampaignConflict: it is another campaign, or its space is another one without `settings.revise`.
        UsageError: what a removed parameter was is not said, or said of one that is neither new nor gone.
    """
    before = found.definition
    _refuse_another(found, wanted, settings)
    space = _space_after(found, wanted, settings)
    is_revised = space is not stored_space(before.problem, found.name)
    problem: dict[str, object] = {**before.problem, **wanted.problem, "space": space}
    problem["direction"] = before.problem.get(
        "direction", before.direction
    )  # in its order: the first one is in the rows
    if CONSTRAINTS not in wanted.problem:
        problem.pop(CONSTRAINTS, None)
    if is_revised:
        problem.pop(STATED_SPACE, None)
        problem[WAS] = was_after(before.problem, space, settings.was)
    elif settings.was:
        problem[WAS] = was_after(before.problem, space, settings.was)
    method = before.method if settings.method is None else settings.method
    keeps_options = method == before.method and not settings.method_options
    return replace(
        before,
        problem=problem,
        objective=wanted.objective,
        directory=before.directory if _is_same_folder(before, wanted) else wanted.directory,
        run_directory=_run_directory_after(before, wanted),
        method=method,
        method_options=before.method_options if keeps_options else settings.method_options,
        max_evaluations=before.max_evaluations if wanted.max_evaluations is None else wanted.max_evaluations,
        max_failures=wanted.max_failures,
        max_interruptions=wanted.max_interruptions,
        priority=before.priority if settings.priority is None else settings.priority,
    )


def definition_differences(before: NewCampaign, after: NewCampaign) -> list[RevisedField]:
    """What differs, the space parameter by parameter; [] when nothing does."""
    if before == after:
        return []
    found = space_differences(
        stored_space(before.problem, before.name), stored_space(after.problem, after.name)
    )
    found += _was_differences(before.problem, after.problem)
    found += _constraint_differences(before, after)
    for name in after.problem:
        # Campaigns of earlier versions have no entry for what came later; what they did is known of some.
        is_known = name in before.problem or name in LATER
        if is_known and name not in (*OWN_CHECKS, WAS, STATED_SPACE):
            found += _value_differences(name, before.problem.get(name, LATER.get(name)), after.problem[name])
    for name in dict.fromkeys((*before.objective, *after.objective)):
        found += _value_differences(name, before.objective.get(name), after.objective.get(name))
    for name in ("directory", "run_directory", "method", "method_options", "max_evaluations", "priority"):
        found += _value_differences(name, getattr(before, name), getattr(after, name))
    is_stated_anew = STATED_SPACE not in after.problem
    return with_undone(before.problem, found) if is_stated_anew else found


def with_undone(problem: Mapping[str, Any], changes: Sequence[RevisedField]) -> list[RevisedField]:
    """The changes, with a word at each that takes back what `ambs space` had changed of the stated space.

    Args:
        problem: as it is stored before them.
    """
    edits = space_differences(problem[STATED_SPACE], problem["space"]) if STATED_SPACE in problem else []

    def undoes(change: RevisedField, edit: RevisedField) -> bool:
        is_named = edit.field == change.field and edit.after == change.before
        # Clauses have one name in common: one that is new is not one that was taken away.
        return is_named and (change.before is not None or edit.before is None or edit.before == change.after)

    return [
        replace(one, words=f"{one.words} ({UNDONE})") if any(undoes(one, edit) for edit in edits) else one
        for one in changes
    ]


def was_after(
    problem: Mapping[str, Any], space: StoredSpace, given: Mapping[str, str]
) -> dict[str, Value | None]:
    """What those without a parameter ran with, of all that were ever added or removed.

    Args:
        given: texts by the names of parameters, as the command line has them.

    Raises:
        UsageError: a removed parameter's value is not said, or one is said of another parameter.
    """
    old, new = parameters_of(problem["space"]), parameters_of(space)
    was: dict[str, Value | None] = dict(problem.get(WAS, {}))
    added, removed = [name for name in new if name not in old], [name for name in old if name not in new]
    accepted = [*added, *removed, *was]
    for name, text in given.items():
        if name not in accepted:
            told = nearest(name, accepted) if accepted else "No parameter was added or removed."
            raise UsageError(f"--was {name}={text}: {name!r} is neither new nor gone. {told}")
        parameter = new.get(name) or old.get(name)
        if text == ANY and name not in new:
            was[name] = None
        elif parameter is None:  # gone since an earlier revision
            was[name] = value_like(was[name], text)
        else:
            was[name] = value_of(parameter, text, f"--was {name}={text}")
    for name in added:
        if name not in given:
            value = was.get(name)
            was[name] = _default(new[name]) if value is None else value
    for name in removed:
        if name not in given:
            was[name] = _fixed_value(old[name])
    return was


def _space_after(found: Campaign, wanted: NewCampaign, settings: SearchSettings) -> StoredSpace:
    """The stored space where the wanted one says nothing new, else the wanted one."""
    problem = cast("Mapping[str, StoredSpace]", found.definition.problem)
    before, now = stored_space(problem, found.name), stored_space(wanted.problem, wanted.name)
    differences = space_differences(before, now)
    if not differences or not space_differences(problem.get(STATED_SPACE, before), now):
        return before
    if not settings.revise:
        told = "; ".join(one.words for one in with_undone(problem, differences))
        raise CampaignConflict(
            f"The space of campaign {found.name!r} is another one: {told}. Take the new one over with "
            "--revise (results that fit are kept; --dry-run says how many), or start a new one with --name."
        )
    return now


def _refuse_another(found: Campaign, wanted: NewCampaign, settings: SearchSettings) -> None:
    """Raise a CampaignConflict where it is not the same objective, direction and seed."""
    before, told = found.definition, []
    problem = cast("Mapping[str, StoredSpace]", before.problem)
    stated = problem.get(STATED_SPACE, stored_space(problem, found.name))
    names = [parameters_of(one).keys() for one in (stated, stored_space(wanted.problem, wanted.name))]
    for key in ("function", "command"):
        old, new = before.objective.get(key), wanted.objective.get(key)
        # A command names the parameters, so that it changes with them.
        may_follow = key == "command" and names[0] != names[1] and None not in (old, new)
        if old != new and not may_follow:
            told.append(f"objective {_short(old)} -> {_short(new)}")
    directions = [one.problem.get("direction", one.direction) for one in (before, wanted)]
    if directions[0] != directions[1]:
        told.append(f"direction {directions[0]} -> {directions[1]}")
    if told:
        raise CampaignConflict(
            f"Campaign {found.name!r} is another one: {'; '.join(told)}. Objective and direction are what a "
            "campaign is: start a new one with --name, or put them back to go on with this one."
        )
    _refuse_another_end(found, wanted)
    if settings.seed is not None and settings.seed != before.seed:
        raise CampaignConflict(
            f"Campaign {found.name!r} has the seed {before.seed}: with another one what it has done could "
            f"not be replayed. Leave --seed {settings.seed} out to go on, or start a repetition with --name."
        )


def _refuse_another_end(found: Campaign, wanted: NewCampaign) -> None:
    """Raise a CampaignConflict where evaluations would be complete at another step, or paused for good."""
    old, new = found.definition.problem.get(FIDELITY), wanted.problem.get(FIDELITY)
    if old == new or not isinstance(old, Mapping):
        return  # results so far count as those of the maximum
    after = new if isinstance(new, Mapping) else {}
    changed = [key for key in ("name", "maximum") if old[key] != after.get(key)]
    if changed:
        told = [f"{key} {_short(old[key])} -> {_short(after.get(key))}" for key in changed]
        raise CampaignConflict(
            f"Campaign {found.name!r} has another fidelity: {', '.join(told)}. Its results are those of "
            f"{old['name']} {old['maximum']}, and what is paused waits to get there. Put it back (minimum, "
            "eta and rule may change), or start a new campaign with --name."
        )


def _run_directory_after(before: NewCampaign, wanted: NewCampaign) -> str:
    """Where attempts' folders are: those that moved along with the problem are found there.

    The command line's own folder, with what in it belongs to this campaign: a row cannot name another one.
    """
    there = Path(wanted.run_directory, before.uid)
    if _is_same_folder(before, wanted) or (Path(before.run_directory).is_dir() and not there.is_dir()):
        return before.run_directory
    return str(there)


def _is_same_folder(before: NewCampaign, wanted: NewCampaign) -> bool:
    """Whether the problem lies where it did, by whatever name."""
    try:
        return Path(before.directory).samefile(wanted.directory)
    except OSError:
        return before.directory == wanted.directory


def _was_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[RevisedField]:
    old, new = before.get(WAS, {}), after.get(WAS, {})
    names = parameters_of(after["space"])
    for name, value in new.items():
        if name in old and old[name] == value:
            continue
        told = "any value" if value is None else _short(value)
        is_of = f"those without {name} count with" if name in names else f"those with {name} stay at"
        yield RevisedField(f"was.{name}", old.get(name), value, f"{is_of} {told}")


def _value_differences(name: str, before: Any, after: Any) -> Iterator[RevisedField]:
    """Of mappings, entry by entry."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _value_differences(f"{name}.{key}", before.get(key), after.get(key))
    elif name == "run_directory" and before != after:
        yield RevisedField(name, before, after, f"runs in {after}")
    elif name == "starting_points" and before != after:
        yield RevisedField(name, before, after, f"starting_points {len(before)} -> {len(after)} of them")
    elif before != after:
        yield RevisedField(name, before, after, f"{name} {_short(before)} -> {_short(after)}")


def _constraint_differences(before: NewCampaign, after: NewCampaign) -> Iterator[RevisedField]:
    old, new = (goals_of(one.problem, one.direction).constraints for one in (before, after))
    for metric in dict.fromkeys(one.metric for one in (*old, *new)):
        was, now = (", ".join(c.words for c in side if c.metric == metric) or None for side in (old, new))
        none = f"no bound of {metric}"
        if was != now:
            yield RevisedField(f"{CONSTRAINTS}.{metric}", was, now, f"{was or none} -> {now or none}")


def _default(parameter: StoredParameter) -> Value:
    return cast("Value", parameter.get("default_value", parameter.get("value")))


def _fixed_value(parameter: StoredParameter) -> Value:
    """The only value of a parameter that is gone.

    Raises:
        UsageError: it had several; what is in force now only a person knows.
    """
    if "value" in parameter:
        return cast("Value", parameter["value"])
    name = parameter["name"]
    raise UsageError(
        f"{name} ({domain_words(parameter)}) is removed: say which value evaluations have now. With --was "
        f"{name}=VALUE results with that value are kept, with --was '{name}={ANY}' all of them."
    )


def _short(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= LONGEST or "/" in text else f"{text[: LONGEST - 3]}..."


def edited_space(found: Campaign, edits: Mapping[str, Sequence[str]], was: Mapping[str, str]) -> NewCampaign:
    """The campaign with an edited space, while its problem file stays as it is.

    Args:
        edits: texts of each option by its name, see `EDITS`.
        was: as in `SearchSettings`.

    Raises:
        UsageError: an edit cannot be made.
    """
    problem = cast("Mapping[str, Any]", found.definition.problem)
    space = stored_space(problem, found.name)
    for option, texts in edits.items():
        for text in texts:
            space = EDITS[option](space, text)
    gone = parameters_of(problem["space"]).keys() - parameters_of(space).keys()
    kept = was_after(problem, space, dict.fromkeys(gone, ANY) | dict(was))
    # What can never be active again needs no value: evaluations that had it lie outside by its parent's.
    edited = {
        **problem,
        "space": space,
        WAS: {name: kept[name] for name in kept if name not in gone - was.keys()},
    }
    edited.setdefault(STATED_SPACE, problem["space"])
    after = replace(found.definition, problem=edited)
    return after if definition_differences(found.definition, after) else found.definition


EDITS: Mapping[str, Callable[[StoredSpace, str], StoredSpace]] = {
    "--narrow": narrowed,
    "--widen": widened,
    "--pin": pinned,
    "--forbid": with_forbidden,
}


def space_lines(found: Campaign) -> list[str]:
    """A campaign's parameters, conditions and forbidden clauses, a line each."""
    space = stored_space(found.definition.problem, found.name)
    space_from_json(space)  # raises what else is wrong with it
    lines = [f"{name}: {domain_words(one)}" for name, one in parameters_of(space).items()]
    lines += [f"{one['child']} only if {clause_words(one)}" for one in space["conditions"]]
    return lines + [f"forbidden: {clause_words(one)}" for one in space["forbiddens"]]
