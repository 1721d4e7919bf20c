"""Search in pages that are opened from the disk, without anything from the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

SCRIPT = Path(__file__).with_suffix(".js")
ADDRESS = "assets/search_from_disk.js"
OF_THE_NETWORK = "https://unpkg.com/iframe-worker/shim"  # the theme's own, loaded by each page


def on_files(files: Any, config: Any) -> Any:
    """Add the script."""
    files.append(File.generated(config, ADDRESS, abs_src_path=str(SCRIPT)))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Let the page load it in the place of the theme's."""
    return output.replace(OF_THE_NETWORK, "../" * page.url.count("/") + ADDRESS)


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The same for the page that a server shows where there is none."""
    return output_content.replace(OF_THE_NETWORK, f"/{ADDRESS}")
