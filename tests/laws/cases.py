"""Every stage, in the one shape that the laws ask for (`tests.laws.case`). A new stage joins by a line
in the CASES of its room; a model family by itself."""

from __future__ import annotations

from tests.laws import of_alarms, of_chain, of_models, of_packets, of_timeline

CASES = [
    *of_packets.CASES,
    *of_timeline.CASES,
    *of_models.CASES,
    *of_alarms.CASES,
    *of_chain.CASES,
]
