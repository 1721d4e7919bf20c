"""What is learned from a campaign as HTML: the importance of its parameters, the rules of its failures."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.hints import pasteable
from ambs_hpc.insight.functional_anova import VarianceShare
from ambs_hpc.queue import goals_of_stored
from ambs_hpc.reporting.html.campaign_record import CampaignRecord, ExplainedFailure
from ambs_hpc.reporting.html.html_tables import text

LEAST_SHARE = 0.01  # of an interaction that is shown
POORLY_EXPLAINED = 0.3  # of the variance: below this the forest has learned next to nothing
MOST_BARS = 20


def importance(record: CampaignRecord) -> str:
    """Bars of the share of the objective's variance that each parameter explains, alone and in pairs."""
    found = record.importance
    if found is None or found.explained != found.explained:
        return "<p class=quiet>The importance of the parameters is told once there are enough results.</p>"
    pairs = [one for one in found.pairs if one.share >= LEAST_SHARE]
    rows = "".join(map(_bar, [*found.parameters[:MOST_BARS], *pairs[:MOST_BARS]]))
    more = text(pasteable("ambs importance"))
    explained = f"The forest explains {max(found.explained, 0.0):.0%} of results that it has not seen"
    doubt = ": these shares mean little yet." if found.explained < POORLY_EXPLAINED else "."
    goals = goals_of_stored(record.campaign)
    whose = f"the variance of {goals.names[0]}" if goals.has_several else "the objective's variance"
    caption = f"Importance: share of {whose} (functional ANOVA), and its deviation among trees"
    return (
        f"<table class=pairs id=importance><caption>{text(caption)}</caption><tbody>{rows}</tbody></table>"
        f"<p class=quiet>{text(explained + doubt)} Interactions of the most important ones are those with "
        f"a share of at least {LEAST_SHARE:.0%}. <code>{more}</code> tells more.</p>"
    )


def failure_rules(explained: Sequence[ExplainedFailure]) -> str:
    """Under which configurations failures come, and what to do about them."""
    return "".join(map(_cause, explained))


def _bar(one: VarianceShare) -> str:
    width, spread = 100.0 * min(max(one.share, 0.0), 1.0), 100.0 * max(one.std, 0.0)
    ends = max(0.0, width - spread), min(100.0, width + spread)
    return (
        f"<tr><th scope=row>{text(' × '.join(one.names))}</th><td class=number>{one.share:.1%}</td>"
        f"<td class=number>± {one.std:.1%}</td><td class=bar>"
        '<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="share" x="0" y="1" width="{width:.2f}" height="6"/>'
        f'<path class="spread" d="M{ends[0]:.2f},4H{ends[1]:.2f}"/></svg></td></tr>'
    )


def _cause(one: ExplainedFailure) -> str:
    head = f"<h3>{text(one.kind.value)}: {text(one.signature or '(said nothing)')}</h3>"
    rules = "".join(
        f"<li><b>{text(words)}</b>: {failed} of {of} such failures, and {share:.0%} of all that ran there "
        f"failed so{text(exact and '; ' + exact)}{_command(leaving, command)}</li>"
        for words, failed, of, share, exact, leaving, command in one.rules
    )
    without = one.suspicion or "No rule over configurations explains them."
    told = f"<ul>{rules}</ul>" if rules else f"<p class=quiet>{text(without)}</p>"
    steps = "".join(f"<li>{text(step)}</li>" for step in one.steps)
    return f"<div class=cause>{head}{told}<ul class=quiet>{steps}</ul></div>"


def _command(leaving: str, command: str) -> str:
    return f"; {text(leaving)}: <code>{text(command)}</code>" if command else ""
