"""The page of site files: every key from the JSON Schema, and every machine that comes with the program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from reference_pages import filled_in

from ambs_hpc.sites import load_site, site_names
from ambs_hpc.sites.json_schema import site_schema

ADDRESS = "reference/site-files.md"
_ARGUMENT = re.compile(r"^ {8}(\w+(?:, \w+)*): (.*)$")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill the page in."""
    return filled_in(markdown, content()) if page.file.src_uri == ADDRESS else markdown


def content() -> str:
    """The page's body in Markdown."""
    kinds = site_schema()["$defs"]
    first = ["Site", *sorted(name for name in kinds if name != "Site")]
    return "".join(_kind(name, kinds[name]) for name in first) + _machines()


def _kind(name: str, kind: dict[str, Any]) -> str:
    told = _told(kind.get("description", ""))
    summary = kind.get("description", "").split("\n")[0]
    meanings = {key: told.get(key) or _in_words(key) for key in kind.get("properties", {})}
    rows = [
        f"| `{key}` | {_type(value)} | {_default(value)} | {_cell(meanings[key])} |"
        for key, value in kind.get("properties", {}).items()
    ]
    return f"## {name}\n\n{summary}\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n" + (
        "\n".join(rows) + "\n\n"
    )


def _told(description: str) -> dict[str, str]:
    """What a docstring's Args say of each key; lines that go on are joined."""
    told: dict[str, str] = {}
    names: list[str] = []
    for line in description.replace("\n    ", "\n        ").split("\n"):
        begins = _ARGUMENT.match(line.replace(" " * 12, " " * 8, 1) if line.startswith(" " * 12) else line)
        if begins:
            names = begins[1].split(", ")
            told.update(dict.fromkeys(names, begins[2]))
        elif names and line.startswith(" " * 12):
            told.update({name: f"{told[name]} {line.strip()}" for name in names})
    return told


def _in_words(key: str) -> str:
    """What docs/sites.md says of a key of which the schema says nothing."""
    text = (Path(__file__).parent.parent / "sites.md").read_text()
    found = re.search(rf"^\| [^|]*`{key}`[^|]* \| (.+) \|$", text, flags=re.MULTILINE)
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", found[1]).replace(r"\|", "|") if found else ""


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(_type(one) for one in value["anyOf"] if one.get("type") != "null")
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    if value.get("type") == "object":
        return f"mapping to {_type(value.get('additionalProperties') or {})}"
    bounds = [f"from {value['minimum']}"] if "minimum" in value else []
    bounds += [f"to {value['maximum']}"] if "maximum" in value else []
    return " ".join([value.get("format") or value.get("type", "any"), *bounds])


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, "", [], {}) or "$ref" in value else f"`{json.dumps(default)}`"


def _machines() -> str:
    head = "| site | scheduler | nodes | of a node | queues | as of | machine |\n" + "| --- " * 7 + "|\n"
    rows = []
    for name in site_names():
        site = load_site(name)
        node = site.node
        shape = f"{node.cores} cores, {node.gpus} GPUs" if not node.found else "found at the start"
        told = (name, site.scheduler, site.nodes or "", shape, ", ".join(site.queues), site.as_of)
        retired = f" (retired {site.retired})" if site.retired else ""
        rows.append("| " + " | ".join(map(str, told)) + f" | {_cell(site.description)}{retired} |\n")
    return (
        "## Machines that come with the program\n\nLimits change without notice; compare them with the "
        "scheduler before a large request. `ambs site show NAME` prints one whole.\n\n"
        f"{head}{''.join(rows)}"
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("*", r"\*")
