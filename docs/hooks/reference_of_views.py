"""The page of views and tables, read from a database that the program's own migrations have made."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy
from reference_pages import filled_in

from ambs_hpc.queue import open_database
from ambs_hpc.queue.schema import views
from ambs_hpc.queue.schema.tables import metadata

ADDRESS = "reference/views.md"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill the page in."""
    return filled_in(markdown, content()) if page.file.src_uri == ADDRESS else markdown


def content() -> str:
    """The page's body in Markdown."""
    parts: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(str(Path(folder) / "ambs.db"))
        inspector = sqlalchemy.inspect(engine)
        for name in views.NAMES:
            columns = [one["name"] for one in inspector.get_columns(name)]
            parts.append(f"## {name}\n\n{_row_for(name)}" + ", ".join(f"`{one}`" for one in columns))
            parts.append(f'\n\n??? note "its SQL"\n\n{_indented(views.definition_of(name))}\n\n')
        engine.dispose()
    parts.append(
        "## Tables\n\nThey may change with a version; `ambs db upgrade` migrates them. Times are seconds "
        "since 1970 UTC.\n\n| table | columns |\n| --- | --- |\n"
    )
    for table in metadata.sorted_tables:
        parts.append(f"| `{table.name}` | {', '.join(one.name for one in table.columns)} |\n")
    return "".join(parts)


def _row_for(name: str) -> str:
    """What a row is, as docs/database.md says it."""
    text = (Path(__file__).parent.parent / "database.md").read_text()
    found = re.search(rf"^\| `{name}` \| ([^|]+?)(, see [^|]+)? \|", text, flags=re.MULTILINE)
    return f"A row for {found[1].strip()}: " if found else ""


def _indented(sql: str) -> str:
    lines = ["```sql", *sql.splitlines(), "```"]
    return "\n".join(f"    {line}" for line in lines)
