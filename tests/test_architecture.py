"""The house of the design: imports point down, heavy libraries have one door each, names mean one thing."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ambs_hpc"
BENCHMARKS = ROOT / "benchmarks"

FLOORS = {
    "errors": 0,
    "clock": 0,
    "identity": 0,
    "file_lock": 0,
    "file_systems": 0,
    "held_parts": 0,
    "hints": 0,
    "threads": 0,
    "timing": 0,
    "shown_text": 0,
    "fidelity": 1,
    "records": 1,
    "states": 1,
    "problem": 2,
    "provenance": 2,
    "postgres_server": 2,
    "observations": 3,
    "spaces": 3,
    "queue": 3,
    "schedulers": 3,
    "search": 4,
    "sites": 4,
    "beside": 5,
    "campaign": 5,
    "insight": 5,
    "launcher": 5,
    "bridges": 6,
    "reporting": 6,
    "simulate": 6,
    "api": 7,
    "integrations": 8,
    "cli": 8,
}
# These files may import each other downwards.
BOTTOM = {
    "errors",
    "clock",
    "file_lock",
    "file_systems",
    "held_parts",
    "identity",
    "records",
    "shown_text",
    "states",
    "threads",
    "timing",
}

# Floors within a unit: a folder knows itself and those below it, and nothing inside knows the unit's facade.
INNER_FLOORS = {"queue": {"schema": 0, "sql": 1, "reads": 2, "verbs": 3}}

# The supervisor starts on every node, so that it must start fast and must not depend on what is installed for
# a campaign: it imports the standard library and itself.
SUPERVISOR = "ambs_hpc.launcher.supervisor"
EXECUTORS = PACKAGE / "launcher" / "executors"
# What each of the executors' files may import from the supervisor.
FACE = {"client", "messages", "outcome", "process_tree"}
SUPERVISOR_FOR = {
    "node_probes.py": FACE | {"probes"},
    "report_log.py": FACE | {"progress"},
    "parsl/node_main.py": FACE | {"function_main", "outer_launch", "probes"},
    "balsam/executor.py": FACE | {"spawn"},
    "balsam/files.py": FACE | {"progress", "spawn"},
    # It stands in for the supervisor where Balsam starts each evaluation by itself.
    "balsam/child_main.py": FACE
    | {
        "fork_server",
        "forked",
        "function_main",
        "orphan_reaper",
        "random_seed",
        "running_attempt",
        "spawn",
        "wakeup",
    },
}
# Who, outside their own folders, may import from the two executors that need a library of their own.
OPTIONAL_EXECUTORS = {
    "parsl": {"launcher/executors/registry.py"},
    "balsam": {
        "launcher/executors/registry.py",
        "launcher/recovery.py",  # reads the outcomes that its files hold
        "launcher/lifecycle.py",  # takes over what runs on in a Balsam site
        "cli/shared/balsam_submission.py",  # tags batch jobs as the executor tags evaluations
    },
}

DOORS = {
    # The search's forest, and one for importance, which a search would not grow: no lies, all of the space.
    "sklearn": {
        "search/forest.py",
        "insight/leaf_boxes.py",
        "integrations/sklearn.py",
        "integrations/cross_validation.py",
    },
    "joblib": {"integrations/sklearn.py", "integrations/cross_validation.py"},  # comes with scikit-learn
    # Its samplers as methods; the studies of people who come from it.
    "optuna": {
        "search/methods/optuna_adapter.py",
        "observations/optuna_study.py",
        "bridges/optuna_storage.py",
    },
    "wandb": {"bridges/wandb_files.py"},
    "parsl": {"launcher/executors/parsl/pool.py"},
    "psutil": {"launcher/executors/parsl/pool.py"},  # comes with Parsl
    "balsam": {"schedulers/balsam/service.py"},
    "requests": {"schedulers/balsam/service.py"},  # comes with Balsam
    "pandas": {"api/results_table.py"},
    "hydra": {"integrations"},
    "omegaconf": {"integrations"},  # comes with Hydra
    "lightning": {"integrations/lightning.py"},
    "pytorch_lightning": {"integrations/lightning.py"},  # its other name
    "transformers": {"integrations/transformers.py"},
    "torch": {"integrations/transformers.py"},
    "psycopg2": {"queue", "postgres_server"},
    "alembic": {"queue"},
    "typer": {"cli"},
    "rich": {"api", "cli", "reporting"},
    "textual": {
        "cli/top/top_application.py",
        "cli/top/evaluation_screen.py",
        "cli/top/question_screen.py",
        "cli/top/row_table.py",
    },
    "jinja2": {"sites"},
    "yaml": {"sites"},
}

MOST_MODULES = 20  # of a folder, before it wants rooms
MANY_MODULES = {"cli/commands"}  # one file a command

# Names of several modules, and what they mean in all of them.
SHARED_NAMES = {
    "allocations": "the allocations of a unit: shown, read, changed, submitted",
    "campaigns": "the campaigns of a unit: read, changed, served",
    "clock": "the time: of a program, of the database",
    "executor": "the Executor of its folder",
    "files": "the names and contents of the files in one folder",
    "launchers": "the launchers of the database: read, changed",
    "loop": "the loop of a long-running program",
    "main": "the entry point of a program",
    "messages": "what two processes tell each other",
    "protocol": "the Protocol of a plug point",
    "registry": "the names of a plug point's implementations, and what they are",
    "revisions": "the revisions of campaigns: read, stored",
    "settings": "what a person asks of a search, on the command line or in Hydra's configuration",
    "scheduler": "the Scheduler of its folder",
    "space": "the space of a problem: built, and of a campaign: shown, edited",
    "takeover": "a launcher goes on with what its dead predecessor left",
    "values": "the frozen values of a scheduler",
}
# Names of several classes, and what they mean in all of them.
SHARED_CLASSES = {
    "AmbsCallback": "the callback of the framework that its module is named for",
    "Campaign": "a campaign: as it is stored, as a person drives it from Python",
}
# Modules are nouns; these words that end like a gerund are the field's nouns.
NOUNS = {"encoding", "lightning", "mapping", "packing", "parsing", "rendering", "sampling", "timing"}


def modules(folder: Path) -> list[Path]:
    """The Python files below the folder that are not packages' `__init__.py`."""
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


def sources() -> list[Path]:
    return sorted(
        path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE
    )


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module a file names in an import, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


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


@pytest.mark.parametrize("name", INNER_FLOORS)
def test_imports_point_down_within_a_unit(name: str) -> None:
    """What is stored knows nothing of how it is asked for, and reads know no verb."""
    floors, prefix = INNER_FLOORS[name], f"ambs_hpc.{name}."
    folders = {path.name for path in (PACKAGE / name).iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(floors), "each folder has a floor"
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in (PACKAGE / name).glob("*/**/*.py")
        for own in [path.relative_to(PACKAGE / name).parts[0]]
        for module in imports(path)
        if module.startswith(prefix)
        for other in [module.removeprefix(prefix).split(".")[0]]
        if other not in floors or (other != own and floors[other] >= floors[own])
    ]
    assert not wrong


def test_the_supervisor_needs_only_the_standard_library() -> None:
    """It starts in milliseconds on every node, whatever else is installed there."""
    wrong = [
        f"{path.name} imports {module}"
        for path in (PACKAGE / "launcher" / "supervisor").rglob("*.py")
        for module in imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names and not module.startswith(f"{SUPERVISOR}.")
    ]
    assert not wrong


def test_executors_know_the_supervisors_face() -> None:
    """How an evaluation is started and watched on its node can then change without the executors."""
    wrong = [
        f"executors/{name} imports {module}"
        for path in modules(EXECUTORS)
        for name in [str(path.relative_to(EXECUTORS))]
        for module in imports(path)
        if module.startswith(f"{SUPERVISOR}.")
        and module.removeprefix(f"{SUPERVISOR}.").split(".")[0] not in SUPERVISOR_FOR.get(name, FACE)
    ]
    assert not wrong


@pytest.mark.parametrize("executor", OPTIONAL_EXECUTORS)
def test_optional_executors_are_known_to_few(executor: str) -> None:
    """An executor is added, or found without its library, in one place."""
    folder, prefix = EXECUTORS / executor, f"ambs_hpc.launcher.executors.{executor}."
    users = {
        str(path.relative_to(PACKAGE))
        for path in sources()
        if folder not in path.parents and any(f"{module}.".startswith(prefix) for module in imports(path))
    }
    assert users <= OPTIONAL_EXECUTORS[executor]


def module_graph() -> dict[str, set[str]]:
    """Each module of the package and of the benchmarks, and those that it imports, wherever it does."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for folder in (PACKAGE, BENCHMARKS)
        for path in folder.rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        # `from a.b import c` names the module a.b.c, or a name of the module a.b.
        named = {module if module in paths else module.rpartition(".")[0] for module in imports(path)}
        graph[name] = {module for module in named if module in paths and module != name}
    return graph


def test_no_modules_import_each_other() -> None:
    """A cycle is one module in several files: none of them can be read, tested or moved alone."""
    graph = module_graph()
    assert len(graph) > 100
    assert sum(map(len, graph.values())) > 100
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(reversed(error.args[1]))}")


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
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (node.end_lineno or 0) - (body[0].lineno if body else node.lineno) + 1
                if lines > 40:
                    long_ones.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not long_ones


def test_every_folder_can_be_held_in_the_head() -> None:
    """A longer list of files wants rooms that say what belongs together."""
    counts: dict[str, int] = defaultdict(int)
    for path in modules(PACKAGE):
        counts[str(path.parent.relative_to(PACKAGE))] += 1
    crowded = {folder: count for folder, count in counts.items() if count > MOST_MODULES}
    assert set(crowded) <= MANY_MODULES, crowded


def test_every_class_name_means_one_class() -> None:
    """A name in a log, a traceback or a search leads to one place."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    doubled = {name: found for name, found in places.items() if len(found) > 1}
    assert set(doubled) <= set(SHARED_CLASSES), doubled


def test_every_module_name_means_one_thing() -> None:
    """Two modules share a name only where it means the same in both."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in modules(PACKAGE):
        places[path.stem].append(str(path.relative_to(PACKAGE)))
    doubled = {name: found for name, found in places.items() if len(found) > 1}
    assert set(doubled) <= set(SHARED_NAMES), doubled


def test_modules_are_nouns() -> None:
    """A gerund says that something is done there, and not what is found there."""
    gerunds = {
        str(path.relative_to(PACKAGE))
        for path in modules(PACKAGE)
        for last_word in [path.stem.rpartition("_")[2]]
        if last_word.endswith("ing") and last_word not in NOUNS
    }
    assert not gerunds
