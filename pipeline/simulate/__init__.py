"""A fictitious launch vehicle: count-down to recovery, with faults whose truth is known."""

from pipeline.simulate.flight import Simulated, simulate
from pipeline.simulate.vehicle import SYSTEM, TABLES

__all__ = ["SYSTEM", "TABLES", "Simulated", "simulate"]
