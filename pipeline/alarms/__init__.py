"""Alarms: checks of values, monitors, and alerts on a source that falls silent."""
