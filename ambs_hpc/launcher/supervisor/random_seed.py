"""Random numbers of an attempt: every attempt starts with a seed of its own, the same when it is replayed.

A forked process begins with the generators of the process that it was forked from, so without this all
evaluations would draw the same numbers. Generators that a module makes for itself when it is imported cannot
be reached: such a module uses $AMBS_SEED.
"""

from __future__ import annotations

import hashlib
import importlib
import random
import sys

SEED_VARIABLE = "AMBS_SEED"
SEED_BYTES = 4  # what the narrowest of the generators, numpy's legacy one, takes


def seed_of(campaign_seed: int, ordinal: int, attempt: int) -> int:
    """The seed of an attempt, in [0, 2**32)."""
    text = f"{campaign_seed}.{ordinal}.{attempt}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:SEED_BYTES], "big")


def load_generators() -> None:
    """Load numpy's generators where numpy is loaded, which loads them at their first use only."""
    if "numpy" in sys.modules:
        importlib.import_module("numpy.random")


def seed_generators(seed: int) -> None:
    """Seed the global generators of Python, numpy, PyTorch and TensorFlow, as far as they are loaded."""
    random.seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(seed)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.random.set_seed(seed)
