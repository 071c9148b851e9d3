"""Every stage, in the shape that the laws need (`tests.laws.case`). A new stage joins by a line in
the CASES of its module; a model family joins by itself."""

from __future__ import annotations

from tests.laws import of_alarms, of_chain, of_models, of_packets, of_timeline

CASES = [
    *of_packets.CASES,
    *of_timeline.CASES,
    *of_models.CASES,
    *of_alarms.CASES,
    *of_chain.CASES,
]
