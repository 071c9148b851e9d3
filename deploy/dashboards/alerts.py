"""*Alerts*: every alert there was, who did what about it, and which alarms come too often.

From the tables of `heartline table` (docs/table.md): Prometheus has what stands, and no past.
"""

from __future__ import annotations

from typing import Any

from deploy.dashboards.parts import POSTGRESQL, Panel, board, choice, variable

WHICH = (
    "$__timeFilter($clock) AND namespace IN ($namespace) AND source IN ($source) "
    "AND level IN ($level)"
)
EVERY = f"""
SELECT $clock AS "time", level, transition, source, name AS parameter, kind, sentence, who, id
FROM heartline_alerts WHERE {WHICH} ORDER BY $clock DESC, id DESC LIMIT 1000
""".strip()
# IEC 62682, 16.5: alarms that come most often, and are the first to be looked into
OFTEN = f"""
SELECT source, name AS parameter, kind, count(*) AS raised, max($clock) AS last
FROM heartline_alerts WHERE {WHICH} AND transition = 'raised'
GROUP BY source, name, kind ORDER BY raised DESC, last DESC LIMIT 20
""".strip()
DEEDS = """
SELECT at AS "time", what, who, why, source, incident, alarms
FROM heartline_deeds WHERE $__timeFilter(at) AND namespace IN ($namespace)
ORDER BY at DESC LIMIT 1000
""".strip()
PANELS = (
    Panel("Alerts", "none", [(EVERY, "")],
          "Transitions of monitors, the newest thousand. `heartline explain ID` says all of one.",
          "rows", 24, 14),
    Panel("Raised most often", "none", [(OFTEN, "")],
          "Twenty alarms that are the first to be looked into.", "rows", 10, 10),
    Panel("What was done", "none", [(DEEDS, "")],
          "The desk's log: deeds of people, and incidents as noticed.", "rows", 14, 10),
)  # fmt: skip


def _distinct(column: str, table: str = "heartline_alerts") -> Any:
    query = f"SELECT DISTINCT {column} FROM {table} ORDER BY 1"
    return variable(column, query, source=POSTGRESQL)


def made() -> Any:
    return board(
        "heartline-alerts", "Heartline: alerts",
        "Every alert there was, from PostgreSQL. What stands now: Flight.",
        [
            _distinct("source"),
            _distinct("namespace", "heartline_read"),  # empty: that of live data
            _distinct("level"),
            choice("clock", "Time of", {"alert": "told", "flight": "generated"}),
        ],
        [("Alerts", PANELS)], source=POSTGRESQL,
    )  # fmt: skip
