"""The part of the report on several objectives and constraints: a drawing without a script, and the front."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.queue import goals_of_stored
from ambs_hpc.reporting.front_points import FrontPoint, front_points
from ambs_hpc.reporting.html.campaign_record import CampaignRecord
from ambs_hpc.reporting.html.html_tables import table, text

WIDTH, HEIGHT, LEFT, BELOW = 720, 380, 90, 46
MOST_DRAWN, MOST_LISTED = 3000, 200


def front_section(record: CampaignRecord) -> str:
    """What is feasible, the first two objectives against each other, and the front; "" without goals."""
    goals = goals_of_stored(record.campaign)
    if goals.is_plain:
        return ""
    points = front_points(goals, record.evaluations)
    told = ""
    if goals.constraints:
        feasible = sum(one.verdict == "yes" for one in points)
        words = " and ".join(one.words for one in goals.constraints)
        told = f"<p>{feasible} of {len(points)} results are feasible: {text(words)}.</p>"
    if not goals.has_several:
        return told
    front = [one for one in points if one.is_on_front]
    by_id = {row.id: row for row in record.evaluations}
    rows = [
        (one.id, *one.values, by_id[one.id].configuration)
        for one in sorted(front, key=lambda one: one.values)[:MOST_LISTED]
    ]
    columns = ("evaluation", *goals.names, "configuration")
    directions = [f"{name}, {direction}d" for name, direction in goals.directions.items()]
    return (
        told
        + (_drawing(points, front, directions) if points else "")
        + table(columns, rows, f"The front: {len(front)} results", empty="Nothing feasible yet.")
    )


def _drawing(points: Sequence[FrontPoint], front: Sequence[FrontPoint], names: Sequence[str]) -> str:
    shown = points[:: max(1, -(-len(points) // MOST_DRAWN))]
    places = _Places([one.values for one in (*shown, *front)])
    broken = [one for one in shown if one.verdict == "no"]
    kept = [one for one in shown if one.verdict != "no" and not one.is_on_front]
    dots = "".join(f"M{places.at(one)}h0" for one in kept)
    crosses = "".join(f"M{places.at(one)}m-3 -3l6 6m0 -6l-6 6" for one in broken)
    marks = "".join(
        f"<circle class=mark cx={places.x(one):.1f} cy={places.y(one):.1f} r=4>"
        f"<title>{text(_words(one))}</title></circle>"
        for one in front
    )
    label = f"{names[0]} against {names[1]}: {len(points)} results, {len(front)} on the front"
    right, bottom = WIDTH - 10, HEIGHT - BELOW
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role=img aria-label="{text(label)}">'
        f"<rect class=frame x={LEFT} y=10 width={right - LEFT} height={bottom - 10} />"
        f'<path class="dots fine" d="{dots}"/><path class=crosses d="{crosses}"/>{marks}'
        f"{places.ticks()}"
        f"<text class=name x={(LEFT + right) / 2:.0f} y={HEIGHT - 8} text-anchor=middle>"
        f"{text(names[0])}</text>"
        f'<text class=name transform="translate(16 {bottom / 2:.0f}) rotate(-90)" text-anchor=middle>'
        f"{text(names[1])}</text></svg>"
        f"<p class=quiet>Rings are the front, crosses break a constraint.</p>"
    )


def _words(one: FrontPoint) -> str:
    return f"evaluation {one.id}: " + ", ".join(f"{value:.6g}" for value in one.values)


class _Places:
    """Where values of the first two objectives lie in the drawing."""

    def __init__(self, values: Sequence[tuple[float, ...]]) -> None:
        self._low = [min(one[j] for one in values) for j in (0, 1)]
        self._high = [max(one[j] for one in values) for j in (0, 1)]

    def x(self, one: FrontPoint) -> float:
        return LEFT + 8 + self._share(one.values, 0) * (WIDTH - LEFT - 26)

    def y(self, one: FrontPoint) -> float:
        return HEIGHT - BELOW - 8 - self._share(one.values, 1) * (HEIGHT - BELOW - 26)

    def at(self, one: FrontPoint) -> str:
        return f"{self.x(one):.1f} {self.y(one):.1f}"

    def ticks(self) -> str:
        """The ends of both axes as numbers."""
        below, left = HEIGHT - BELOW + 16, LEFT - 6
        return "".join(
            f"<text x={x} y={y} text-anchor={anchor}>{value:.4g}</text>"
            for x, y, anchor, value in (
                (LEFT + 8, below, "start", self._low[0]),
                (WIDTH - 18, below, "end", self._high[0]),
                (left, HEIGHT - BELOW - 4, "end", self._low[1]),
                (left, 24, "end", self._high[1]),
            )
        )

    def _share(self, values: tuple[float, ...], j: int) -> float:
        extent = self._high[j] - self._low[j]
        return (values[j] - self._low[j]) / extent if extent > 0 else 0.5
