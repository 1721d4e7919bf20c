"""Links of pages to files outside of docs/: the site brings along what they lead to."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent.parent
# Pages of the site that lie at the root of a checkout.
PAGES = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md"}
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the root, and every file outside of docs/ that a page leads to."""
    for name, address in PAGES.items():
        files.append(File.generated(config, address, content=_at_docs((ROOT / name).read_text())))
    for file in list(files.documentation_pages()):
        if file.abs_src_path is None:
            continue
        for target in _LINK.findall(Path(file.abs_src_path).read_text()):
            name = _outside(file.src_uri, target[1])
            if name and name not in PAGES and name not in files.src_uris and (ROOT / name).is_file():
                files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links of the form ../examples/FILE lead to the copy that the site has."""

    def corrected(found: re.Match[str]) -> str:
        name = _outside(page.file.src_uri, found[2])
        if name is None:
            return found[0]
        target = PAGES.get(name, name)
        here = posixpath.dirname(page.file.src_uri) or "."
        return found[1] + posixpath.relpath(target, here) + found[3]

    return _LINK.sub(corrected, markdown)


def _outside(page: str, target: str) -> str | None:
    """The path from the checkout's root that a link leads to, if it leaves docs/."""
    if "://" in target or target.startswith(("/", "mailto:")):
        return None
    place = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if place.startswith("docs/") else place


def _at_docs(text: str) -> str:
    """A page of the root as it reads from inside of docs/."""
    return _LINK.sub(
        lambda found: (
            found[1] + found[2].removeprefix("docs/") + found[3] if "://" not in found[2] else found[0]
        ),
        text,
    )
