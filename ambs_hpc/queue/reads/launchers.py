"""Launchers: which live, which hold evaluations, and how many."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from ambs_hpc.queue.schema.account_tables import launcher_node
from ambs_hpc.queue.schema.tables import evaluation, is_running, launcher, unindexed
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import launcher_value
from ambs_hpc.records import Launcher, NewLauncher, Resources


class HeldNumber(NamedTuple):
    """How many evaluations are held, and how many of these run for certain.

    Of the others it is not known: they wait for a slot or are being started, have run for less than a second,
    or run at a Balsam site, which does not tell where.
    """

    held: int
    running: int


def count_running() -> ColumnElement[Any]:
    """Of evaluations that are held, how many run for certain: the node is stored once they do."""
    return func.count(func.nullif(evaluation.c.node, literal_column("''")))


def running_in(connection: Connection, launcher_id: int) -> int:
    """How many evaluations the launcher holds."""
    statement = select(func.count()).where(is_running, evaluation.c.launcher_id == launcher_id)
    return int(connection.execute(statement).scalar_one())


def held_by_launcher(connection: Connection) -> dict[int, HeldNumber]:
    """How many evaluations each launcher holds; those that hold none are no keys."""
    column = evaluation.c.launcher_id
    statement = select(column, func.count(), count_running()).where(is_running).group_by(column)
    return {row[0]: HeldNumber(*row[1:]) for row in connection.execute(statement)}


def number_running(connection: Connection, campaign_id: int) -> int:
    """How many evaluations of the campaign run for certain; the others that are RUNNING are leased."""
    statement = select(count_running()).where(is_running, unindexed(evaluation.c.campaign_id) == campaign_id)
    return int(connection.execute(statement).scalar_one())


def last_launcher(connection: Connection) -> Launcher | None:
    """The launcher that was registered last; None when there never was one."""
    age = (now(connection) - launcher.c.heartbeat_at).label("heartbeat_age")
    row = connection.execute(select(launcher, age).order_by(launcher.c.id.desc()).limit(1)).first()
    return None if row is None else launcher_value(row)


def live_launchers(
    connection: Connection, stale_after_seconds: float, campaign_id: int | None = None
) -> list[Launcher]:
    """Launchers that have not ended and whose heartbeat is not stale, oldest first.

    Args:
        campaign_id: only those that serve this campaign; None for all.
    """
    statement = (
        select(launcher, (now(connection) - launcher.c.heartbeat_at).label("heartbeat_age"))
        .where(
            launcher.c.ended_at.is_(None), launcher.c.heartbeat_at >= now(connection) - stale_after_seconds
        )
        .order_by(launcher.c.id)
    )
    found = [launcher_value(row) for row in connection.execute(statement)]
    return [one for one in found if campaign_id is None or _serves(one.identity, campaign_id)]


def slots_for(connection: Connection, stale_after_seconds: float, campaign_id: int, shape: Resources) -> int:
    """How many evaluations of this shape live launchers run at once, all of them together.

    What a launcher says counts the smallest shape that it serves, of whatever campaign: no more than its
    nodes have room for are taken of it, where it has told its nodes.
    """
    launchers = live_launchers(connection, stale_after_seconds, campaign_id)
    node = launcher_node.c
    kinds = (node.launcher_id, node.cores, node.gpus, node.memory_gib)
    statement = (
        select(*kinds, func.count().label("nodes"))
        .where(node.launcher_id.in_([one.id for one in launchers]))
        .group_by(*kinds)
    )
    room: dict[int, int] = {}
    for row in connection.execute(statement) if launchers else ():
        on_all = row.nodes * _on_one(shape, row.cores, row.gpus, row.memory_gib) // shape.nodes
        room[row.launcher_id] = room.get(row.launcher_id, 0) + on_all
    return sum(min(one.identity.slots, room.get(one.id, one.identity.slots)) for one in launchers)


def _on_one(shape: Resources, cores: int, gpus: int, memory_gib: float | None) -> int:
    """How many shares of evaluations of this shape an empty node has room for."""
    room = [cores // shape.cores]
    if shape.gpus:
        room.append(gpus // shape.gpus)
    if shape.memory_gib and memory_gib:
        room.append(int(memory_gib // shape.memory_gib))
    return min(*room, 1) if shape.takes_whole_nodes else min(room)


def holders(connection: Connection) -> list[Launcher]:
    """Every launcher that holds evaluations, dead or alive; a sweep needs evidence about each of them."""
    statement = (
        select(launcher, (now(connection) - launcher.c.heartbeat_at).label("heartbeat_age"))
        .where(launcher.c.id.in_(select(evaluation.c.launcher_id).where(is_running)))
        .order_by(launcher.c.id)
    )
    return [launcher_value(row) for row in connection.execute(statement)]


def _serves(identity: NewLauncher, campaign_id: int) -> bool:
    return identity.serves is None or campaign_id in identity.serves
