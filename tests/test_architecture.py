"""The house of the design: imports point down, heavy libraries have one door each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ambs_hpc"

FLOORS = {
    "errors": 0,
    "clock": 0,
    "identity": 0,
    "file_systems": 0,
    "records": 1,
    "states": 1,
    "problem": 2,
    "postgres_server": 2,
    "queue": 3,
    "schedulers": 3,
    "search": 4,
    "sites": 4,
    "campaign": 5,
    "launcher": 5,
    "report": 6,
    "simulate": 6,
    "cli": 7,
}
BOTTOM = {
    "errors",
    "clock",
    "file_systems",
    "identity",
    "records",
    "states",
}  # these files may import each other downwards
DOORS = {
    "sklearn": {"search/forest.py"},
    "optuna": {"search/optuna_adapter.py"},
    "parsl": {"launcher/executors/parsl/pool.py"},
    "psutil": {"launcher/executors/parsl/pool.py"},  # comes with Parsl
    "balsam": {"schedulers/balsam/service.py"},
    "requests": {"schedulers/balsam/service.py"},  # comes with Balsam
    "psycopg2": {"queue", "postgres_server"},
    "alembic": {"queue"},
    "typer": {"cli"},
    "rich": {"cli", "report"},
    "jinja2": {"sites"},
    "yaml": {"sites"},
}


def sources() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
    )


def imports(path: Path) -> set[str]:
    """Every module a file names in an import, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def unit(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "ambs_hpc" and len(parts) > 1 and parts[1] in FLOORS else None


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A unit knows the floors below it and nothing beside or above."""
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in FLOORS, f"{own} has no floor in the design"
    for module in imports(path):
        other = unit(module)
        if other is None or other == own:
            continue
        below = FLOORS[other] < FLOORS[own] or (own in BOTTOM and other in BOTTOM)
        assert below, (
            f"{path.relative_to(ROOT)} (floor {FLOORS[own]}) imports {module} (floor {FLOORS[other]})"
        )


@pytest.mark.parametrize("library", DOORS)
def test_libraries_have_one_door(library: str) -> None:
    """A library can be replaced, or found missing, in one place."""
    users = {
        str(path.relative_to(PACKAGE))
        for path in sources()
        if any(module.split(".")[0] == library for module in imports(path))
    }
    doors = DOORS[library]
    strangers = {user for user in users if user not in doors and user.split("/")[0] not in doors}
    assert users, f"nothing imports {library} any more: remove it from the dependencies"
    assert not strangers


def test_every_file_stays_readable() -> None:
    """A module over 400 lines, or a function over 40, wants to be two."""
    long_ones: list[str] = []
    for path in sources():
        text = path.read_text()
        if text.count("\n") > 400:
            long_ones.append(f"{path}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (node.end_lineno or 0) - (body[0].lineno if body else node.lineno) + 1
                if lines > 40:
                    long_ones.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not long_ones
