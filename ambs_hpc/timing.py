"""How often programs say that they live, and after which silence others act: each once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from ambs_hpc.errors import UsageError

# A launcher's heartbeat. It costs one row's update and also tells what a person has cancelled.
LAUNCHER_HEARTBEAT_SECONDS = 2.0

# A search's heartbeat. It may be busy with a refit of the forest for longer than a launcher ever is.
SEARCH_HEARTBEAT_SECONDS = 5.0

# After this silence, by the database's clock, a launcher or search may be dead: other evidence decides. It is
# longer than a restart of the database or a hiccup of the network takes.
STALE_AFTER_SECONDS = 60.0

# What survives its launcher (a Balsam site's evaluations) is given up only after this silence.
SURVIVOR_SILENCE_SECONDS = 900.0

# A launcher that was started by hand on a host that cannot be asked is given up after this silence, unless
# AMBS_GIVE_UP_MINUTES says otherwise.
HAND_STARTED_SILENCE_SECONDS = 900.0

# Between two looks for evaluations of dead launchers.
SWEEP_SECONDS = 15.0

# Between two tries to reach a database that does not answer.
DATABASE_RETRY_SECONDS = 1.0


def hand_started_silence_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """The silence, in seconds, after which a launcher that was started by hand elsewhere is given up.

    Raises:
        UsageError: AMBS_GIVE_UP_MINUTES is no number, or less than a living launcher may be silent.
    """
    text = environment.get("AMBS_GIVE_UP_MINUTES")
    if not text:
        return HAND_STARTED_SILENCE_SECONDS
    least = 2 * STALE_AFTER_SECONDS / 60.0
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not least <= minutes < math.inf:
        raise UsageError(
            f"AMBS_GIVE_UP_MINUTES={text!r}: give minutes, at least {least:g}; a launcher that waits for its "
            "database is silent meanwhile."
        )
    return 60.0 * minutes
