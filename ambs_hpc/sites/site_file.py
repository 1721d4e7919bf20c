"""Loading of site files into checked profiles; an error names file, line and the nearest accepted word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import yaml

from ambs_hpc.errors import NotFound, SiteInvalid, UsageError, nearest
from ambs_hpc.sites.data_files import site_configs_folder
from ambs_hpc.sites.profile import ContainerDefaults, Launch, NodeShape, Queue, Recognition, Site, Tier
from ambs_hpc.sites.profile_checks import profile_errors
from ambs_hpc.sites.yaml_file import read_nodes, read_yaml

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": Site, "node": NodeShape, "queues.*": Queue, "queues.*.tiers[]": Tier, "launch": Launch,
    "recognised_by": Recognition, "container": ContainerDefaults,
}  # fmt: skip
REMOVABLE = ("queues", "environment")  # mappings by name, of which a file may remove what it inherits


def site_names() -> list[str]:
    """The sites that come with this program."""
    return sorted(file.stem for file in site_configs_folder().glob("*.yml"))


def load_site(name: str, folder: Path | None = None) -> Site:
    """The profile of a site.

    Args:
        name: name of a file in `folder` or of a site that comes with this program, or the path of a file.
        folder: the campaign folder, where a user's own site files are.

    Raises:
        NotFound: there is no such site.
        SiteInvalid: the file has an error.
    """
    file = _find(name, folder)
    return check_site(file, _read(file, folder, ()))


def refuse_unless_found_again(site: Site, name: str, folder: Path) -> None:
    """A script names its site, and its launcher looks for that name in the campaign folder.

    Args:
        name: by which the site was loaded.

    Raises:
        UsageError: it would find another site, or none.
    """
    try:
        found: Site | None = load_site(site.name, folder)
    except (NotFound, SiteInvalid):
        found = None
    if found == site:
        return
    other = "no site" if found is None else "another site"
    raise UsageError(
        f"site {name!r} is named {site.name!r}: by that name the launcher would find {other} in {folder}. "
        f"Put the file there as {site.name}.yml, and give --site {site.name}."
    )


def site_text(site: Site) -> str:
    """The profile in the form of a site file."""
    return str(yaml.safe_dump(msgspec.to_builtins(site), sort_keys=False))


def check_site(file: Path, plain: Mapping[str, Any]) -> Site:
    """The profile of plain values that were read from `file`.

    Raises:
        SiteInvalid: a value is wrong, alone or together with others.
    """
    try:
        site = msgspec.convert({"name": file.stem, **plain}, Site)
    except msgspec.ValidationError as error:
        words, _, where = str(error).partition(" - at `$")
        path = _named(where.strip("`."), plain)
        raise SiteInvalid(
            file, line_of(file, path), path or "file", words + _accepted(path) + _seen(plain, path)
        ) from error
    for path, words in profile_errors(site):
        raise SiteInvalid(file, line_of(file, path), path, words)
    return site


def line_of(file: Path, path: str) -> int:
    """The line, from 1, where `path` ("queues.debug.tiers[0].max_minutes") or its nearest parent stands."""
    node = read_nodes(file)
    line = 1
    for key in re.findall(r"[^.\[\]]+", path):
        child = _child(node, key)
        if child is None:
            break
        line, node = child
    return line


def _child(node: yaml.Node | None, key: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
        value = node.value[int(key)]
        return value.start_mark.line + 1, value
    return None


def _find(name: str, folder: Path | None) -> Path:
    if "/" in name or name.endswith(".yml"):
        file = Path(name) if folder is None else folder / name
        if not file.is_file():
            raise NotFound(f"There is no site file {file}.")
        return file
    for place in (folder, site_configs_folder()):
        if place is not None and (place / f"{name}.yml").is_file():
            return place / f"{name}.yml"
    raise NotFound(f"There is no site {name!r}. {nearest(name, site_names())}")


def _read(file: Path, folder: Path | None, children: tuple[Path, ...]) -> dict[str, Any]:
    """The plain values of a file over those of the site that it extends."""
    if file in children:
        raise SiteInvalid(file, line_of(file, "extends"), "extends", "a site cannot extend itself")
    own = _plain(file)
    base = own.pop("extends", None)
    _refuse_unknown_keys(file, own, "", STRUCTS[""])
    if base is None:
        _refuse_removals(file, own, {})
        return own
    # A site may be extended under its own name: the one that comes with this program is meant then.
    place = None if base == file.stem else folder
    try:
        base_file = _find(str(base), place)
    except NotFound as error:
        raise SiteInvalid(file, line_of(file, "extends"), "extends", str(error)) from error
    inherited = _read(base_file, folder, (*children, file))
    _refuse_removals(file, own, inherited)
    merged = _merged(inherited, own)
    for key in REMOVABLE:
        if isinstance(merged.get(key), dict):
            merged[key] = {name: value for name, value in merged[key].items() if value is not None}
    node = own.get("node")
    if isinstance(node, dict) and "cores" in node:  # described, so no longer taken as it is found
        merged["node"]["found"] = node.get("found", False)
    return merged


def _refuse_removals(file: Path, own: Mapping[str, Any], inherited: Mapping[str, Any]) -> None:
    """Refuse `null` for a queue or a variable that is not inherited: it would remove nothing."""
    for key in REMOVABLE:
        before, given = inherited.get(key), own.get(key)
        for name, value in given.items() if isinstance(given, dict) else ():
            if value is None and name not in (before or {}):
                hint = nearest(name, before or {})
                words = f"null removes what is inherited, and nothing of that name is. {hint}"
                raise SiteInvalid(file, line_of(file, f"{key}.{name}"), f"{key}.{name}", words)


def _plain(file: Path) -> dict[str, Any]:
    own = read_yaml(file)
    if not isinstance(own, dict):
        raise SiteInvalid(file, 1, "file", "a site is a mapping of keys to values")
    return own


def _named(path: str, plain: Mapping[str, Any]) -> str:
    """The path with the wrong key, where msgspec writes [...] for the key of a mapping."""
    head, unnamed, rest = path.partition("[...]")
    if not unnamed:
        return path
    expected: type = Queue if head == "queues" else str
    for key, value in plain[head].items():
        try:
            msgspec.convert(value, expected)
        except msgspec.ValidationError:
            return f"{head}.{key}{rest}"
    return head


def _accepted(path: str) -> str:
    """The words that a key accepts, as part of a message; empty for keys that accept other values."""
    parent, _, key = path.rpartition(".")
    struct = STRUCTS.get("queues.*" if parent.startswith("queues.") else parent)
    words = get_args(get_type_hints(struct).get(key)) if struct is not None else ()
    return f". Accepted: {', '.join(words)}" if words and all(isinstance(word, str) for word in words) else ""


def _seen(plain: object, path: str) -> str:
    """The value at a path as part of a message; empty for mappings and lists."""
    for key in re.findall(r"[^.\[\]]+", path):
        if isinstance(plain, Mapping) and key in plain:
            plain = plain[key]
        elif isinstance(plain, list) and key.isdigit() and int(key) < len(plain):
            plain = plain[int(key)]
        else:
            return ""
    return "" if isinstance(plain, Mapping | list) else f"; seen: {plain!r}"


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = _merged(before, value)
        else:
            merged[key] = value
    return merged


def _refuse_unknown_keys(file: Path, plain: object, path: str, struct: type[msgspec.Struct]) -> None:
    if not isinstance(plain, dict):
        return  # the conversion says what it should be
    known = [*struct.__struct_fields__, "extends"] if struct is Site else [*struct.__struct_fields__]
    for key, value in plain.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in known:
            raise SiteInvalid(file, line_of(file, here), here, f"unknown key. {nearest(str(key), known)}")
        if struct is Site and key in ("node", "launch", "recognised_by", "container"):
            _refuse_unknown_keys(file, value, here, STRUCTS[key])
        if struct is Site and key == "queues" and isinstance(value, dict):
            for name, queue in value.items():
                _refuse_unknown_keys(file, queue, f"{here}.{name}", Queue)
        if struct is Queue and key == "tiers" and isinstance(value, list):
            for index, tier in enumerate(value):
                _refuse_unknown_keys(file, tier, f"{here}[{index}]", Tier)
