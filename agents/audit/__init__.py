"""Alerts computed again from the input as it stands on telemetry.raw (docs/audit.md)."""
