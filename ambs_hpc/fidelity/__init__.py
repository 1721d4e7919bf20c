"""Cheaper forms of an evaluation: its rungs, the rules that pause and promote, and how far rungs agree."""

from ambs_hpc.fidelity.agreement import Standings, agreement, keep_shares, mistrust
from ambs_hpc.fidelity.fidelity_range import RULE_NAMES, Fidelity, fidelity_from_json, fidelity_to_json
from ambs_hpc.fidelity.rules import Rule, Verdict, place_of, rule_of

__all__ = [
    "RULE_NAMES",
    "Fidelity",
    "Rule",
    "Standings",
    "Verdict",
    "agreement",
    "fidelity_from_json",
    "fidelity_to_json",
    "keep_shares",
    "mistrust",
    "place_of",
    "rule_of",
]
