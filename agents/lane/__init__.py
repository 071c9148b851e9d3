"""A lane: one partition of telemetry.raw, its chains, its commits (docs/lane.md)."""
