"""The objective is tried before anything is spent: what is wrong is told now, not in an allocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.errors import ProblemError
from ambs_hpc.launcher.supervisor.functions.trial_main import IMPORT_FAILED
from ambs_hpc.launcher.trial.trial_import import TRIAL_SECONDS, try_import
from ambs_hpc.launcher.trial.verdict import Named, mistake_in

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True, slots=True)
class TrialWords:
    """How a trial speaks to the person who began it.

    Args:
        skips: what leaves the trial out, as "--no-check skips this trial".
        notice: called with what a person may want to know while it takes long.
        warn: called with what is wrong on this machine, where evaluations run on others.
    """

    skips: str
    notice: Callable[[str], object]
    warn: Callable[[str], object]


def try_function(
    objective: Mapping[str, object],
    directory: str,
    space: ConfigurationSpace,
    where: str,
    words: TrialWords,
    *,
    is_elsewhere: bool,
) -> None:
    """Make sure that an objective's function can be called, as far as its module can be imported here.

    Commands, and what runs in containers, are not tried.

    Args:
        objective: as launchers read it.
        directory: from which its module is imported.
        where: the problem, for messages.
        is_elsewhere: evaluations run on other machines: a library or a device that is missing on this one is
            only a warning.

    Raises:
        ProblemError: the function is missing or does not fit, or its module is wrong.
    """
    function = objective.get("function")
    if not isinstance(function, str) or objective.get("container"):
        return
    module = function.partition(":")[0]

    def tell() -> None:
        words.notice(f"importing {module} for a trial, at most {TRIAL_SECONDS:g} s; {words.skips}")

    trial = try_import(function, directory, tell)
    printed = f"\nWhat it printed:\n{_indented(trial.printed)}" if trial.printed else ""
    if trial.trouble:
        seen = f"the trial import of module {module!r} {trial.trouble}"
        remedy = f"Guard what the module runs by `if __name__ == '__main__':`; {words.skips}"
        is_of_machine = is_elsewhere
    else:
        mistake = mistake_in(trial.told, function, Named(list(space), space.unconditional_hyperparameters))
        if mistake is None:
            return
        seen, remedy = mistake.seen, f"{mistake.remedy.rstrip('.')}; {words.skips}"
        is_of_machine = is_elsewhere and not trial.told.get("is_mistake", True)
        printed = printed if trial.told["what"] == IMPORT_FAILED else ""
    if not is_of_machine:
        raise ProblemError(where, "objective", seen, f"{remedy}. Nothing was started.{printed}")
    words.warn(f"{where}: {seen}, on this machine at least; {words.skips}.{printed}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
