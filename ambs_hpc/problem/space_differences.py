"""How two spaces differ, parameter by parameter, in values and in a person's words; on their stored forms."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ambs_hpc.records import RevisedField

StoredSpace = Mapping[str, Any]  # as `space_to_json` gives it
StoredParameter = Mapping[str, Any]

NOTES = ("default_value", "meta")  # of a parameter: its values are the same with others
RELATIONS = {
    "RELATION_LT": "<",
    "RELATION_LE": "<=",
    "RELATION_EQ": "=",
    "RELATION_GT": ">",
    "RELATION_GE": ">=",
}
COMPARISONS = {
    "EQ": "=",
    "EQUALS": "=",
    "NEQ": "!=",
    "LT": "<",
    "GT": ">",
    "CLAUSE_LT": "<",
    "CLAUSE_LE": "<=",
    "CLAUSE_GT": ">",
    "CLAUSE_GE": ">=",
}


def parameters_of(space: StoredSpace) -> dict[str, StoredParameter]:
    """The stored parameters by their names."""
    return {str(one["name"]): one for one in space["hyperparameters"]}


def space_differences(before: StoredSpace, after: StoredSpace) -> list[RevisedField]:
    """What a person would call different: no order of parameters or clauses, no default, no note."""
    old, new = parameters_of(before), parameters_of(after)
    found = [
        RevisedField(f"space.{name}", old.get(name), new.get(name), words)
        for name in dict.fromkeys((*old, *new))
        if (words := _parameter_words(name, old.get(name), new.get(name)))
    ]
    found += _condition_differences(before, after, old.keys() & new.keys())
    return found + _forbidden_differences(before, after)


def domain_words(parameter: StoredParameter) -> str:
    """The values of a parameter: `1e-05..0.1 log`, `relu, tanh`, `3 (fixed)`."""
    if "lower" in parameter:
        scale = " log" if parameter.get("log") else ""
        law = (
            "" if str(parameter["type"]).startswith("uniform") else f" {parameter['type'].partition('_')[0]}"
        )
        return f"{_value(parameter['lower'])}..{_value(parameter['upper'])}{scale}{law}"
    if "value" in parameter:
        return f"{_value(parameter['value'])} (fixed)"
    return ", ".join(map(_value, choices_of(parameter) or []))


def choices_of(parameter: StoredParameter) -> list[Any] | None:
    """The listed values of a parameter; None for a range."""
    for key in ("choices", "sequence"):
        if key in parameter:
            return list(parameter[key])
    return [parameter["value"]] if "value" in parameter else None


def clause_words(clause: Mapping[str, Any]) -> str:
    """A condition or a forbidden clause: `a=1, b=2`."""
    kind, parts = clause["type"], clause.get("clauses") or clause.get("conditions")
    if parts:
        return (", " if kind == "AND" else " or ").join(map(clause_words, parts))
    if kind in RELATIONS:
        return f"{clause['left']} {RELATIONS[kind]} {clause['right']}"
    name = clause.get("parent", clause.get("name"))
    if "values" in clause:
        return f"{name} in ({', '.join(map(_value, clause['values']))})"
    return f"{name}{COMPARISONS.get(kind, f' {kind} ')}{_value(clause.get('value'))}"


def _parameter_words(name: str, old: StoredParameter | None, new: StoredParameter | None) -> str:
    if old is None or new is None:
        return f"{name} removed" if new is None else f"{name} added ({domain_words(new)})"
    keys = [key for key in dict.fromkeys((*old, *new)) if key not in NOTES and old.get(key) != new.get(key)]
    if not keys:
        return ""
    a, b = choices_of(old), choices_of(new)
    both_listed = a is not None and b is not None and "value" not in old and "value" not in new
    if both_listed:
        gone, come = _without(a or [], b or []), _without(b or [], a or [])
        parts = [f"choice {_value(one)} of {name} added" for one in come]
        parts += [f"choice {_value(one)} of {name} removed" for one in gone]
        if parts:
            return ", ".join(parts)
    if domain_words(old) != domain_words(new):
        return f"{name} {domain_words(old)} -> {domain_words(new)}"
    return f"{name}: " + ", ".join(f"{key} {_short(old.get(key))} -> {_short(new.get(key))}" for key in keys)


def _condition_differences(
    before: StoredSpace, after: StoredSpace, names: Collection[str]
) -> Iterator[RevisedField]:
    old, new = _conditions(before), _conditions(after)
    for child in dict.fromkeys((*old, *new)):
        a, b = old.get(child), new.get(child)
        if a == b or child not in names:
            continue
        words = f"condition of {child}: {_clauses(a) or 'none'} -> {_clauses(b) or 'none'}"
        yield RevisedField(f"space.conditions.{child}", a, b, words)


def _conditions(space: StoredSpace) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in sorted(space["conditions"], key=_canonical):
        found.setdefault(str(one["child"]), []).append(one)
    return found


def _forbidden_differences(before: StoredSpace, after: StoredSpace) -> list[RevisedField]:
    old = {_canonical(one): one for one in before["forbiddens"]}
    new = {_canonical(one): one for one in after["forbiddens"]}
    come = [one for key, one in new.items() if key not in old]
    gone = [one for key, one in old.items() if key not in new]
    return [
        *(RevisedField("space.forbidden", None, one, f"forbidden: {clause_words(one)}") for one in come),
        *(RevisedField("space.forbidden", one, None, f"allowed again: {clause_words(one)}") for one in gone),
    ]


def _clauses(clauses: Sequence[Mapping[str, Any]] | None) -> str:
    return "; ".join(map(clause_words, clauses or ()))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _without(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Those of `values` that are not among the others; True is not 1."""
    known = {(isinstance(one, bool), one) for one in others}
    return [one for one in values if (isinstance(one, bool), one) not in known]


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _short(value: object) -> str:
    text = "none" if value is None else _value(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
