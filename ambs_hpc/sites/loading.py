"""From a site file to a checked profile; what is wrong is told with file, line and the nearest right word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ambs_hpc.errors import NotFound, SiteInvalid, nearest
from ambs_hpc.sites.data_files import site_configs_folder
from ambs_hpc.sites.profile import Launch, Node, Queue, Site, Tier, core_numbers

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": Site, "node": Node, "queues.*": Queue, "queues.*.tiers[]": Tier, "launch": Launch
}  # fmt: skip


def site_names() -> list[str]:
    """The sites that come with this program."""
    return sorted(file.stem for file in site_configs_folder().glob("*.yml"))


def load_site(name: str, folder: Path | None = None) -> Site:
    """The profile of a site.

    Args:
        name: of a file in `folder`, of one that comes with this program, or the path of a file.
        folder: of the campaign, where a user's own site files are.

    Raises:
        NotFound: there is no such site.
        SiteInvalid: the file is wrong.
    """
    file = _find(name, folder)
    return check_site(file, _read(file, folder, ()))


def site_text(site: Site) -> str:
    """The profile as a site file states it."""
    return str(yaml.safe_dump(msgspec.to_builtins(site), sort_keys=False))


def check_site(file: Path, plain: Mapping[str, Any]) -> Site:
    """A profile from plain values, read from `file`."""
    _refuse_unknown_keys(file, plain, "", STRUCTS[""])
    try:
        site = msgspec.convert({"name": file.stem, **plain}, Site)
    except msgspec.ValidationError as error:
        words, _, where = str(error).partition(" - at `$.")
        path = where.rstrip("`")
        raise SiteInvalid(file, line_of(file, path), path or "file", words) from error
    for path, words in _contradictions(site):
        raise SiteInvalid(file, line_of(file, path), path, words)
    return site


def line_of(file: Path, path: str) -> int:
    """The line, from 1, where `path` ("queues.debug.tiers[0].max_minutes") or its nearest parent stands."""
    node: yaml.Node | None = yaml.compose(file.read_text(), Loader=yaml.SafeLoader)
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
    try:
        own = yaml.safe_load(file.read_text())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SiteInvalid(file, line, "file", f"not YAML: {error.problem}") from error
    if not isinstance(own, dict):
        raise SiteInvalid(file, 1, "file", "a site is a mapping of keys to values")
    base = own.pop("extends", None)
    if base is None:
        return own
    # A site may be extended under its own name: the one that comes with this program is meant then.
    place = None if base == file.stem else folder
    return _merged(_read(_find(str(base), place), folder, (*children, file)), own)


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
        if struct is Site and key in ("node", "launch"):
            _refuse_unknown_keys(file, value, here, STRUCTS[key])
        if struct is Site and key == "queues" and isinstance(value, dict):
            for name, queue in value.items():
                _refuse_unknown_keys(file, queue, f"{here}.{name}", Queue)
        if struct is Queue and key == "tiers" and isinstance(value, list):
            for index, tier in enumerate(value):
                _refuse_unknown_keys(file, tier, f"{here}[{index}]", Tier)


def _contradictions(site: Site) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of values that cannot be, alone or together."""
    yield from _node_contradictions(site.node)
    for name, queue in site.queues.items():
        yield from _queue_contradictions(f"queues.{name}", queue, site.nodes)
    if site.default_queue and site.queues and site.default_queue not in site.queues:
        yield "default_queue", f"no such queue. {nearest(site.default_queue, site.queues)}"
    if site.node_name and "%" not in site.node_name:
        yield "node_name", "write the place of the number, as in nid%05d"


def _node_contradictions(node: Node) -> Iterator[tuple[str, str]]:
    if node.cores < 1:
        yield "node.cores", f"{node.cores}: a whole number from 1"
    if node.threads_per_core < 1:
        yield "node.threads_per_core", f"{node.threads_per_core}: a whole number from 1"
    if node.gpu_names and len(node.gpu_names) != node.gpus:
        yield "node.gpu_names", f"{len(node.gpu_names)} names for {node.gpus} GPUs"
    if node.gpu_cores and len(node.gpu_cores) != node.gpus:
        yield "node.gpu_cores", f"cores for {len(node.gpu_cores)} of {node.gpus} GPUs"
    for field, texts in (("reserved_cores", [node.reserved_cores]), ("gpu_cores", node.gpu_cores)):
        for text in texts:
            try:
                beyond = [core for core in core_numbers(text) if core >= node.cores]
            except ValueError:
                yield f"node.{field}", f"{text!r}: write numbers and ranges, as in 0-7,32"
                return
            if beyond:
                yield f"node.{field}", f"{text!r}: the node has cores 0 to {node.cores - 1}"


def _queue_contradictions(path: str, queue: Queue, nodes: int | None) -> Iterator[tuple[str, str]]:
    if not queue.tiers:
        yield f"{path}.tiers", "give at least one"
    last = 0
    for index, tier in enumerate(queue.tiers):
        here = f"{path}.tiers[{index}]"
        if tier.min_nodes <= last or tier.max_nodes < tier.min_nodes:
            yield here, f"{tier.min_nodes} to {tier.max_nodes} nodes: tiers ascend and do not overlap"
        if tier.max_minutes < max(1, queue.min_minutes):
            yield f"{here}.max_minutes", f"{tier.max_minutes}: at least {max(1, queue.min_minutes)} minutes"
        if nodes is not None and queue.unit == "node" and tier.max_nodes > nodes:
            yield f"{here}.max_nodes", f"{tier.max_nodes}: the site has {nodes} nodes"
        last = tier.max_nodes
