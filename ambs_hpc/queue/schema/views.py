"""The views that people read with psql, sqlite3, pandas and `ambs sql`: stable, see docs/database.md.

A change of a view needs a new migration, which may be empty: the views are created again at each upgrade.
Anything may stand in a row, and a statement that fails at one shows none: what is no JSON is NULL.
"""

from __future__ import annotations

import re
import textwrap

from sqlalchemy import Connection

from ambs_hpc.problem.goals import MOST_OBJECTIVES

# {time:COLUMN} becomes a UTC timestamp, {minute:COLUMN} its minute, {json:COLUMN} JSON that can be compared,
# {problem:COLUMN} a problem of which parts can be taken, {number:METRICS|NAME} the metric of that name where
# it is a number, {part:NAME} one of `_PARTS`.
PLACES = range(1, MOST_OBJECTIVES + 1)
_VIEWS = {
    "v_evaluations": """
        SELECT e.id, c.name AS campaign, e.ordinal, e.state, e.failure_kind, e.attempt, e.objective,
               {json:e.configuration} AS configuration, {time:e.created_at} AS created_at,
               {time:COALESCE(e.started_at, e.claimed_at)} AS started_at, {time:e.finished_at} AS finished_at,
               CASE WHEN e.state IN ('DONE', 'FAILED') THEN e.finished_at - e.started_at END AS run_seconds,
               e.node, a.scheduler_id AS allocation, e.error, e.exit_status, {json:e.metrics} AS metrics,
               e.failures, e.interruptions, e.priority, e.proposal_kind, e.proposal_mean, e.proposal_std,
               e.proposal_acquisition, e.launcher_id, l.host AS launcher_host, e.campaign_id
        FROM evaluation e
        JOIN campaign c ON c.id = e.campaign_id
        LEFT JOIN launcher l ON l.id = e.launcher_id
        LEFT JOIN allocation a ON a.id = l.allocation_id""",
    "v_best": """
        SELECT c.name AS campaign,
               row_number() OVER (
                   PARTITION BY c.id
                   ORDER BY CASE WHEN f.broken > 0 THEN 2 WHEN f.missing > 0 THEN 1 ELSE 0 END,
                   COALESCE(f.excess, 0.0),
                   CASE c.direction WHEN 'minimize' THEN e.objective ELSE -e.objective END, e.id
               ) AS place,
               e.id, e.ordinal, e.objective, {json:e.configuration} AS configuration,
               {json:e.metrics} AS metrics, {time:e.finished_at} AS finished_at, e.proposal_kind,
               CASE WHEN f.broken > 0 THEN 'no' WHEN f.missing > 0 THEN 'unknown' ELSE 'yes' END AS feasible,
               COALESCE(f.excess, 0.0) AS excess
        FROM evaluation e JOIN campaign c ON c.id = e.campaign_id
        LEFT JOIN ({part:feasibility}) f ON f.id = e.id
        WHERE e.state = 'DONE'""",
    # Each result is compared with all others: with ten thousand of them that takes seconds.
    "v_pareto": """
        WITH cost AS (
            SELECT e.id, e.campaign_id, o.place,
                   CASE o.direction WHEN 'minimize' THEN 1 ELSE -1 END * {number:e.metrics|o.name} AS value
            FROM ({part:objectives}) o CROSS JOIN evaluation e
            WHERE e.campaign_id = o.campaign_id AND e.state = 'DONE'
        ), point AS (
            SELECT cost.id, cost.campaign_id, """
    + ", ".join(
        f"COALESCE(max(CASE cost.place WHEN {place} THEN cost.value END), 0.0) AS c{place}"
        for place in PLACES
    )
    + """
            FROM cost LEFT JOIN ({part:feasibility}) f ON f.id = cost.id
            WHERE f.id IS NULL OR f.broken + f.missing = 0
            GROUP BY cost.id, cost.campaign_id HAVING count(cost.value) = count(*)
        )
        SELECT c.name AS campaign, e.id, e.ordinal, e.objective, {json:e.metrics} AS metrics,
               {json:e.configuration} AS configuration, {time:e.finished_at} AS finished_at, e.proposal_kind
        FROM point p
        JOIN evaluation e ON e.id = p.id
        JOIN campaign c ON c.id = p.campaign_id
        WHERE NOT EXISTS (
            SELECT 1 FROM point q WHERE q.campaign_id = p.campaign_id
            AND """
    + " AND ".join(f"q.c{place} <= p.c{place}" for place in PLACES)
    + " AND ("
    + " OR ".join(f"q.c{place} < p.c{place}" for place in PLACES)
    + "))",
    "v_failures": """
        SELECT c.name AS campaign, e.failure_kind, e.signature, count(*) AS evaluations,
               {time:MIN(e.finished_at)} AS first_finished_at, {time:MAX(e.finished_at)} AS last_finished_at,
               max(e.id) AS example_id
        FROM evaluation e JOIN campaign c ON c.id = e.campaign_id
        WHERE e.state = 'FAILED' AND e.proposal_kind <> 'imported'
        GROUP BY c.name, e.failure_kind, e.signature""",
    "v_throughput": """
        SELECT c.name AS campaign, {minute:e.finished_at} AS minute, count(*) AS ended,
               sum(CASE e.state WHEN 'DONE' THEN 1 ELSE 0 END) AS done,
               sum(CASE e.state WHEN 'FAILED' THEN 1 ELSE 0 END) AS failed,
               60 * count(*) AS evaluations_per_hour,
               avg(e.finished_at - e.started_at) AS mean_run_seconds
        FROM evaluation e JOIN campaign c ON c.id = e.campaign_id
        WHERE e.state IN ('DONE', 'FAILED') AND e.proposal_kind <> 'imported'
        GROUP BY c.name, {minute:e.finished_at}""",
    # Evaluations that wait in a launcher for a slot count from their start, not from their claim, once they
    # have ended; those that still run count from their claim.
    "v_utilisation": """
        SELECT l.id AS launcher_id, l.host, a.scheduler_id AS allocation, l.slots,
               {time:l.started_at} AS started_at, {time:l.ended_at} AS ended_at,
               COALESCE(l.ended_at, l.heartbeat_at) - l.started_at AS seconds,
               COALESCE(b.attempts, 0) AS attempts_ended,
               COALESCE(r.running, 0) AS running,
               COALESCE(b.busy_seconds, 0.0) + COALESCE(r.running_seconds, 0.0) AS busy_seconds,
               CASE WHEN COALESCE(l.ended_at, l.heartbeat_at) > l.started_at THEN
                   (COALESCE(b.busy_seconds, 0.0) + COALESCE(r.running_seconds, 0.0))
                   / (l.slots * (COALESCE(l.ended_at, l.heartbeat_at) - l.started_at))
               END AS utilisation,
               COALESCE(r.held - r.running, 0) AS leased
        FROM launcher l
        LEFT JOIN allocation a ON a.id = l.allocation_id
        LEFT JOIN (
            SELECT launcher_id, count(*) AS attempts, sum(finished_at - started_at) AS busy_seconds
            FROM evaluation_event WHERE finished_at IS NOT NULL GROUP BY launcher_id
        ) b ON b.launcher_id = l.id
        LEFT JOIN (
            SELECT e.launcher_id, count(nullif(e.node, '')) AS running, count(*) AS held,
                   sum(CASE WHEN h.heartbeat_at > e.claimed_at
                            THEN h.heartbeat_at - e.claimed_at ELSE 0.0 END) AS running_seconds
            FROM evaluation e JOIN launcher h ON h.id = e.launcher_id
            WHERE e.state = 'RUNNING' GROUP BY e.launcher_id
        ) r ON r.launcher_id = l.id""",
    "v_revisions": """
        SELECT c.name AS campaign, r.number, {time:r.at} AS at, r.who, {json:r.changes} AS changes,
               {json:r.effects} AS effects, {json:r.definition} AS definition
        FROM campaign_revision r JOIN campaign c ON c.id = r.campaign_id""",
    "v_provenance": """
        SELECT c.name AS campaign, u.revision, u.launcher_id, u.host, {time:u.at} AS at, u.digest,
               {json:p.facts} AS facts
        FROM provenance_use u
        JOIN campaign c ON c.id = u.campaign_id
        JOIN provenance p ON p.digest = u.digest""",
    "v_notices": """
        SELECT c.name AS campaign, {time:n.at} AS at, n.audience, n.kind, n.text,
               {time:n.sent_at} AS sent_at, n.error
        FROM notice n JOIN campaign c ON c.id = n.campaign_id""",
    "v_reports": """
        SELECT r.evaluation_id, c.name AS campaign, e.ordinal, r.step, r.objective,
               {json:r.metrics} AS metrics, r.attempt, {time:r.at} AS at, r.thinned
        FROM report r
        JOIN evaluation e ON e.id = r.evaluation_id
        JOIN campaign c ON c.id = e.campaign_id
        WHERE NOT EXISTS (
            SELECT 1 FROM report newer
            WHERE newer.evaluation_id = r.evaluation_id AND newer.step = r.step AND newer.attempt > r.attempt
        )""",
    "v_rungs": """
        SELECT r.evaluation_id, c.name AS campaign, e.ordinal, r.rung, r.step, r.value, r.kept,
               {time:r.promoted_at} AS promoted_at, r.reason, {time:r.at} AS at, r.attempt, e.state
        FROM rung_result r
        JOIN evaluation e ON e.id = r.evaluation_id
        JOIN campaign c ON c.id = r.campaign_id""",
    "v_node_events": """
        SELECT n.id, {time:n.at} AS at, n.site, n.node, n.kind, n.is_failure, n.detail,
               a.scheduler_id AS allocation, n.launcher_id, l.host AS launcher_host, {json:n.facts} AS facts
        FROM node_event n
        LEFT JOIN launcher l ON l.id = n.launcher_id
        LEFT JOIN allocation a ON a.id = l.allocation_id""",
}
NAMES = tuple(_VIEWS)


# Escapes that PostgreSQL stores in JSON out of which it then takes nothing: NUL, and halves of characters.
UNREADABLE_ESCAPE = (
    r"\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
_IS_READABLE = "CAST({0} AS text) !~ '" + UNREADABLE_ESCAPE.replace("{2}", "{{2}}") + "'"
_UNREADABLE = """'{{"constraints": [null]}}'"""  # in place of a problem: nobody knows what it asks for
# PostgreSQL ends a statement at a number that no double holds, and at a time without a date, which readers
# have from the year 1 to 9999; NaN is above all numbers there.
LONGEST_NUMBER, LONG_EXPONENT = 400, "[eE][-+]?[0-9]{4}"
_TIME = "(CASE WHEN {0} BETWEEN -62135596800 AND 253402300799 THEN to_timestamp({0}) END AT TIME ZONE 'UTC')"
_IS_DOUBLE = f"length({{0}}) <= {LONGEST_NUMBER} AND {{0}} !~ '{LONG_EXPONENT.replace('{4}', '{{4}}')}'"
_DOUBLE = f"""CASE WHEN {_IS_DOUBLE} THEN
    CASE WHEN abs(CAST({{0}} AS numeric)) < 1e-323 THEN 0.0
         WHEN abs(CAST({{0}} AS numeric)) < 1.7976931348623158e308 THEN CAST({{0}} AS double precision) END
END"""
_EXPANSIONS = {
    "postgresql": {
        "time": _TIME,
        "minute": f"date_trunc('minute', {_TIME})",
        "json": f"CASE WHEN {_IS_READABLE} THEN CAST({{0}} AS jsonb) END",
        "problem": f"CASE WHEN {_IS_READABLE} THEN {{0}} ELSE {_UNREADABLE} END",
        "number": f"""CASE WHEN {_IS_READABLE} THEN
                         CASE WHEN json_typeof({{0}} -> {{1}}) = 'number'
                         THEN {_DOUBLE.format("({0} ->> {1})").replace("{4}", "{{4}}")} END
                     END""",
        "objectives": """
            SELECT c.id AS campaign_id, d.name, d.direction, d.place
            FROM (SELECT id, {problem:problem} -> 'direction' AS stated FROM campaign) c
            CROSS JOIN LATERAL json_each_text(
                CASE json_typeof(c.stated) WHEN 'object' THEN c.stated ELSE '{}' END
            ) WITH ORDINALITY AS d(name, direction, place)""",
        "constraints": """
            SELECT c.id AS campaign_id, k.one ->> 0 AS metric, k.one ->> 1 AS comparison,
                   CASE WHEN json_typeof(k.one -> 2) = 'number' THEN """
        + _DOUBLE.format("(k.one ->> 2)")
        + """ END AS bound
            FROM (SELECT id, {problem:problem} -> 'constraints' AS stated FROM campaign) c
            CROSS JOIN LATERAL json_array_elements(
                CASE COALESCE(json_typeof(c.stated), 'null')
                WHEN 'array' THEN c.stated WHEN 'null' THEN '[]' ELSE '[null]' END
            ) AS k(one)""",
    },
    "sqlite": {
        "time": "strftime('%Y-%m-%d %H:%M:%f', {}, 'unixepoch')",
        "minute": "strftime('%Y-%m-%d %H:%M:00', {}, 'unixepoch')",
        "json": "CASE WHEN json_valid({0}) THEN {0} END",
        "problem": f"CASE WHEN json_valid({{0}}) THEN {{0}} ELSE {_UNREADABLE} END",
        "number": """CASE WHEN json_valid({0}) AND instr({1}, '"') = 0 THEN
                         CASE WHEN json_type({0}, '$."' || {1} || '"') IN ('integer', 'real')
                         THEN json_extract({0}, '$."' || {1} || '"') END
                     END""",
        "objectives": """
            SELECT c.id AS campaign_id, d.key AS name, d.value AS direction,
                   row_number() OVER (PARTITION BY c.id ORDER BY d.id) AS place
            FROM (SELECT id, {problem:problem} AS problem FROM campaign) c
            CROSS JOIN json_each(c.problem, '$.direction') d
            WHERE json_type(c.problem, '$.direction') = 'object'""",
        "constraints": """
            SELECT k.campaign_id, json_extract(k.one, '$[0]') AS metric,
                   json_extract(k.one, '$[1]') AS comparison,
                   CASE WHEN json_type(k.one, '$[2]') IN ('integer', 'real')
                   THEN json_extract(k.one, '$[2]') END AS bound
            FROM (
                SELECT c.id AS campaign_id, CASE d.type WHEN 'array' THEN d.value END AS one
                FROM (SELECT id, {problem:problem} AS problem FROM campaign) c
                CROSS JOIN json_each(
                    CASE COALESCE(json_type(c.problem, '$.constraints'), 'null')
                    WHEN 'array' THEN json_extract(c.problem, '$.constraints')
                    WHEN 'null' THEN '[]' ELSE '[null]' END
                ) d
            ) k""",
    },
}
# A row for each result of a campaign with constraints: how many it breaks, of how many it lacks the metric.
# Whether one is kept that cannot be read is not known either.
_PARTS = {
    "feasibility": """
        SELECT k.id,
               sum(CASE WHEN k.comparison IN ('<', '<=', '>', '>=') AND k.value IS NOT NULL
                             AND k.bound IS NOT NULL THEN 0 ELSE 1 END) AS missing,
               sum(CASE WHEN k.comparison = '<' AND k.value >= k.bound
                          OR k.comparison = '<=' AND k.value > k.bound
                          OR k.comparison = '>' AND k.value <= k.bound
                          OR k.comparison = '>=' AND k.value < k.bound THEN 1 ELSE 0 END) AS broken,
               sum(CASE WHEN k.comparison IN ('<', '<=') AND k.value > k.bound THEN k.value - k.bound
                        WHEN k.comparison IN ('>', '>=') AND k.value < k.bound THEN k.bound - k.value
                        ELSE 0.0 END / CASE WHEN k.bound = 0 THEN 1.0 ELSE abs(k.bound) END) AS excess
        FROM (
            SELECT e.id, b.comparison, b.bound,
                   CASE b.metric WHEN 'objective' THEN e.objective
                   ELSE {number:e.metrics|b.metric} END AS value
            FROM ({part:constraints}) b CROSS JOIN evaluation e
            WHERE e.campaign_id = b.campaign_id AND e.state = 'DONE'
        ) k GROUP BY k.id""",
}
_PART = re.compile(r"\{part:(\w+)\}")
_PLACEHOLDER = re.compile(r"\{(time|minute|json|problem|number):([^}]*)\}")


def drop_views(connection: Connection) -> None:
    """Remove all our views."""
    for name in NAMES:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def create_views(connection: Connection) -> None:
    """Create all our views; the tables must be of the newest schema."""
    for name in _VIEWS:
        # A lone % would be taken for a parameter by psycopg2; none of PostgreSQL's expansions has one.
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {_select(name, connection.dialect.name)}")


def definition_of(name: str) -> str:
    """The SELECT of a view as SQLite has it, for people who read it.

    Raises:
        KeyError: there is no such view.
    """
    return textwrap.dedent(_select(name, "sqlite").lstrip("\n"))


def _select(name: str, dialect: str) -> str:
    """The SELECT of a view in the words of a database."""
    expansions, body = _EXPANSIONS[dialect], _VIEWS[name]
    for _ in range(2):  # a part may hold another one
        body = _PART.sub(lambda found: _PARTS.get(found[1]) or expansions[found[1]], body)
    return _PLACEHOLDER.sub(lambda found: expansions[found[1]].format(*found[2].split("|")), body)
