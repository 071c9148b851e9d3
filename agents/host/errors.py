"""Errors with an outside cause, reported to users."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker cannot be reached or refuses. The message says which and what to do."""
