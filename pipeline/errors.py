"""Mistakes of a user, told to people: what, where, and how to mend it."""

from __future__ import annotations


class MissionError(Exception):
    """A mission's files cannot be used. The message names file, line and element."""


class FlightError(Exception):
    """A recorded flight cannot be read."""
