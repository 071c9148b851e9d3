"""Rolling statistics of one group over windows made of panes, closed by event time."""

from pipeline.statistics.stage import Statistics

__all__ = ["Statistics"]
