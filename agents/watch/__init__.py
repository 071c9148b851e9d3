"""`heartline watch`: the operator's live screen (docs/watch.md).

A model of what is known (`board`, pure: it is given the time), the reader that fills it from Kafka
(`reader`), and what shows it: the screen of a terminal (`screen`) or plain lines (`lines`).
"""

from agents.watch.board import Board

__all__ = ["Board"]
