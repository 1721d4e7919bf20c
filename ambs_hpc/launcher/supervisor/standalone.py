"""Runs a program of this folder in an interpreter that need not know this package.

`python standalone.py MODULE ARGUMENTS`, with `__main__`, `function_main` or `functions.trial_main` for
MODULE. In a container that is the image's interpreter: whatever it has installed, of this package's name
too, the modules beside this file are taken.
"""

import sys

LOWEST = (3, 10)
PROGRAM = __file__


def load_package(root: str) -> str:
    """Import the package in the folder `root` by its place; the search path stays as it is."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = root.rpartition("/")[2]
    spec = spec_from_file_location(name, root + "/__init__.py", submodule_search_locations=[root])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return name


def run(arguments: "list[str]") -> object:  # quoted, because interpreters of any age read this line
    """Run the `main` of the module that the first argument names."""
    if sys.version_info < LOWEST:
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(sys.executable + " is Python " + version + ", and evaluations need 3.10 or newer")
    folder = __file__.rpartition("/")[0]
    # Our own modules have plain names, and the folder of an attempt may hold files of anybody.
    sys.path[:] = [one for one in sys.path if one not in ("", folder)]
    root = folder.rpartition("/")[0].rpartition("/")[0]
    package = load_package(root)
    from importlib import import_module

    return import_module(package + ".launcher.supervisor." + arguments[0]).main(arguments[1:])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))  # type: ignore[arg-type]  # a status, or nothing
