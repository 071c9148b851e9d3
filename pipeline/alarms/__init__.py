"""What stands: checks of values, monitors, and what is told of a source that falls silent."""
