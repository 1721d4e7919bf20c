"""The trial import: a program that imports an objective's module and tells what the function is like.

It calls nothing. `python standalone.py functions.trial_main MODULE:FUNCTION FOLDER` writes one JSON object.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from ambs_hpc.launcher.supervisor.functions.call_form import arguments_of, signature_of

MOST_NAMES = 50
IMPORT_FAILED, MISSING = "import failed", "missing"
CLASS, COROUTINE, GENERATOR, FUNCTION = "class", "coroutine", "generator", "function"


def main(arguments: list[str]) -> NoReturn:
    """Tell about "module:function" of a folder, and end whatever the module has started."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what a module prints when it is imported is no answer
    told = json.dumps(told_of(arguments[0], arguments[1])).encode()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os.write(answer, told)
    os._exit(0)


def told_of(name: str, directory: str) -> dict[str, Any]:
    """What the function "module:function" is, or why there is none; the traceback is printed on stderr.

    Returns:
        {"what": IMPORT_FAILED, "error", "is_mistake"}, {"what": MISSING, "names": functions that there are},
        or {"what": CLASS, COROUTINE, GENERATOR, FUNCTION or the type of what cannot be called, "arguments":
        None or the fields of Arguments, "returns": the annotation as text}.
    """
    module_name, _, function_name = name.partition(":")
    sys.path.insert(0, directory)
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # noqa: BLE001  the border to a person's module: whatever its import raises
        shown = _own_part(error.__traceback__, directory)
        traceback.print_exception(type(error), error, shown)
        return {"what": IMPORT_FAILED, "error": _words(error), "is_mistake": _is_mistake(error, directory)}
    try:
        found = getattr(module, function_name)
    except Exception:  # noqa: BLE001  a module may have a __getattr__ of its own
        return {"what": MISSING, "names": _functions(module, directory)[:MOST_NAMES]}
    arguments = arguments_of(found) if callable(found) else None
    return {
        "what": _kind(found),
        "arguments": None if arguments is None else asdict(arguments),
        "returns": _returns(found) if callable(found) else "",
    }


def _kind(found: object) -> str:
    if inspect.isclass(found):
        return CLASS
    if not callable(found):
        return type(found).__name__
    inner = inspect.unwrap(found)
    if inspect.iscoroutinefunction(inner):
        return COROUTINE
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        return GENERATOR
    return FUNCTION


def _returns(found: Callable[..., object]) -> str:
    """The annotation of what it returns, as a person would write it; "" for none."""
    signature = signature_of(found)
    if signature is None or signature.return_annotation is inspect.Signature.empty:
        return ""
    annotation = signature.return_annotation
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _functions(module: object, directory: str) -> list[str]:
    """Names of the module's functions, those that it defines itself if there are any."""
    names = [name for name in dir(module) if not name.startswith("_")]
    found: dict[str, Callable[..., object]] = {}
    for name in names:
        with contextlib.suppress(Exception):
            value = getattr(module, name)
            if inspect.isroutine(value):
                found[name] = value
    own = [name for name, value in found.items() if value.__module__ == getattr(module, "__name__", "")]
    return own or list(found)


def _words(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]


def _own_part(trace: TracebackType | None, directory: str) -> TracebackType | None:
    """The traceback from the first frame in the person's folder on; None where there is none."""
    while trace is not None and not _is_within(trace, directory):
        trace = trace.tb_next
    return trace


def _is_mistake(error: BaseException, directory: str) -> bool:
    """Whether the module itself is wrong, on any machine: not that a library or a device is missing here."""
    if isinstance(error, SyntaxError):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    of_machines = (ImportError, OSError, RuntimeError, AssertionError, SystemExit, MemoryError)
    return trace is not None and _is_within(trace, directory) and not isinstance(error, of_machines)


def _is_within(trace: TracebackType, directory: str) -> bool:
    return Path(directory) in Path(trace.tb_frame.f_code.co_filename).parents
