"""The newest time that each signer has signed: a control record that is sent again is none."""

from __future__ import annotations

import numpy as np
import orjson

from schemas.columns import State

MOST = 1000  # signers, whose keys stand in a worker's settings


class Signers:
    """Its state is JSON in bytes: few, and of any length."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def is_news(self, by: str, when_ns: int) -> bool:
        """Whether it was signed after all that this signer has said before; then it is noted."""
        if when_ns <= self._newest.get(by, when_ns - 1):
            return False
        if by in self._newest or len(self._newest) < MOST:
            self._newest[by] = when_ns
        return True

    def snapshot(self) -> State:
        return {"newest": np.frombuffer(orjson.dumps(self._newest), np.uint8).copy()}

    def restore(self, state: State) -> None:
        """ValueError where it is none of this kind."""
        try:
            told = orjson.loads(state["newest"].astype(np.uint8).tobytes())
            whole = len(told) <= MOST and all(type(v) is int for v in told.values())
        except (TypeError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise ValueError("snapshot with impossible values: signers")
        self._newest = told
