"""What differs between what two processes found of sources and programs, in a person's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_WORDS = 6  # differences that are told of a kind; the rest is counted
SHORT_DIGEST = 10


def facts_words(facts: Mapping[str, object]) -> str:
    """The sources and programs in one line, as "git 1a2b3c4d5e; Python 3.11.7; ambs_hpc 0.9"."""
    git = _mapping(facts.get("git"))
    commit, unknown = str(git.get("commit", ""))[:SHORT_DIGEST], str(git.get("unknown", ""))
    changed = f", changed since (diff {git['diff']})" if git.get("diff") else ""
    parts = [f"git {commit}{changed}" if commit else "", unknown]
    parts += [f"{name} {facts.get(key, 'unknown')}" for name, key in _PROGRAMS]
    return "; ".join(filter(None, parts))


def facts_differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """What differs, most telling first; [] where nothing does."""
    old, new = _mapping(before.get("git")), _mapping(after.get("git"))
    told: list[str] = []
    if old.get("commit") != new.get("commit"):
        told.append(f"git {_commit(old)} -> {_commit(new)}")
    elif old.get("diff") != new.get("diff"):
        told.append("changes that are not committed")
    files = _changed(_mapping(before.get("files")), _mapping(after.get("files")))
    told += [f"files {_joined([name for name, _, _ in files])}"] if files else []
    told += [
        f"{name} {before.get(key)} -> {after.get(key)}"
        for name, key in (*_PROGRAMS, ("machine", "machine"), ("executable", "executable"))
        if before.get(key) != after.get(key)
    ]
    packages = _changed(_mapping(before.get("packages")), _mapping(after.get("packages")))
    told += [f"packages {_joined([_versions(*one) for one in packages])}"] if packages else []
    return told + _module_words(_names(before.get("modules")), _names(after.get("modules")))


_PROGRAMS = (("Python", "python"), ("ambs_hpc", "ambs_hpc"))


def _module_words(old: Sequence[str], new: Sequence[str]) -> list[str]:
    if old == new:
        return []
    gone, come = [one for one in old if one not in new], [one for one in new if one not in old]
    words = [f"-{one}" for one in gone] + [f"+{one}" for one in come]
    return [f"modules {_joined(words) if words else 'in another order'}"]


def _changed(
    old: Mapping[str, object], new: Mapping[str, object]
) -> list[tuple[str, object | None, object | None]]:
    names = dict.fromkeys((*old, *new))
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _versions(name: str, old: object | None, new: object | None) -> str:
    return f"{name} {old or 'none'} -> {new or 'none'}"


def _joined(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
    return ", ".join(words[:MOST_WORDS]) + more


def _commit(git: Mapping[str, object]) -> str:
    return str(git.get("commit") or "unknown")[:SHORT_DIGEST]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _names(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []
