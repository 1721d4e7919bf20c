"""Tables of two by two: what is inside a rule and fails, and how surprising that is."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats


def likelihood_gains(failed: Floats, inside: Floats, all_failed: int, number: int) -> Floats:
    """How much better rates inside and outside explain who failed than one rate for all does, in nats.

    Negative infinity where failures are not more frequent inside than outside.

    Args:
        failed, inside: of each rule, the failures and all evaluations within it.
        all_failed, number: failures and evaluations in all.
    """
    outside, failed_outside = number - inside, all_failed - failed
    gains = (
        _log_likelihood(failed, inside)
        + _log_likelihood(failed_outside, outside)
        - _log_likelihood(np.array(float(all_failed)), np.array(float(number)))
    )
    return np.where(failed * outside > failed_outside * inside, gains, -np.inf)


def log_p_value(failed: int, inside: int, all_failed: int, number: int) -> float:
    """Logarithm of the probability of so many failures inside, or more, if nothing depended on the rule.

    Source: Fisher's exact test, one-sided (R. A. Fisher, 1922): the tail of the hypergeometric distribution.
    """
    from scipy.special import gammaln, logsumexp

    k: Floats = np.arange(failed, min(inside, all_failed) + 1, dtype=np.float64)
    if failed <= max(0, inside + all_failed - number) or not len(k):
        return 0.0

    def log_choose(n: int, r: Floats | int) -> Floats:
        return np.asarray(gammaln(n + 1.0) - gammaln(r + 1.0) - gammaln(n - r + 1.0))

    terms = log_choose(all_failed, k) + log_choose(number - all_failed, inside - k)
    return min(float(logsumexp(terms) - log_choose(number, inside)), 0.0)


def _log_likelihood(failed: Floats, number: Floats) -> Floats:
    rest = number - failed
    with np.errstate(divide="ignore", invalid="ignore"):
        some = np.where(failed > 0, failed * np.log(failed / number), 0.0)
        others = np.where(rest > 0, rest * np.log(rest / number), 0.0)
    return np.asarray(some + others)
