"""The JSON Schema of site files, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any


def site_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `site_configs/*.yml`; a file with `extends` may omit what it inherits."""
    import msgspec

    from ambs_hpc.sites.profile import Site

    schema = msgspec.json.schema(Site)
    site = schema["$defs"]["Site"]
    site["properties"]["extends"] = {"type": "string", "description": "the site whose values these change"}
    for name in ("Site", "NodeShape", "Queue"):  # what is missing may be inherited
        schema["$defs"][name].pop("required", None)
    site["anyOf"] = [{"required": ["extends"]}, {"required": ["scheduler", "node", "as_of", "source"]}]
    for key in ("queues", "environment"):  # null removes what is inherited
        inner = site["properties"][key]["additionalProperties"]
        site["properties"][key]["additionalProperties"] = {"anyOf": [inner, {"type": "null"}]}
    schema["title"] = "ambs_hpc site"
    return schema
