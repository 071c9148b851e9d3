"""Every target, and its share of a run's bytes: of texts, which are dear, there are fewer."""

from __future__ import annotations

from tests.fuzz import (
    desk_targets,
    edge_targets,
    flight_targets,
    ground_targets,
    targets,
    watch_targets,
)
from tests.fuzz.targets import Target

TARGETS = (
    Target("scanner", 27.0, targets.scanner),
    Target("vehicle chain", 18.0, targets.vehicle_chain),
    Target("drawn chain", 13.0, targets.drawn_chain),
    Target("control", 6.0, ground_targets.control),
    Target("watch", 1.0, watch_targets.watch),
    Target("desk", 1.0, desk_targets.desk),
    Target("database", 15.0, targets.database),
    Target("mission.toml", 2.5, targets.mission_file),
    Target("correlation", 1.5, ground_targets.correlation),
    Target("flight", 2.0, flight_targets.flight),
    Target("long csv", 2.0, flight_targets.long_csv),
    Target("parquet", 6.0, flight_targets.parquet),
    Target("ulog", 6.0, flight_targets.ulog),
    Target("requests", 1.0, edge_targets.requests),
    Target("address", 0.1, edge_targets.address),
    Target("table", 0.4, edge_targets.table),
)
