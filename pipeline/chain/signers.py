"""The newest time that each signer has signed: a record sent again is not accepted twice."""

from __future__ import annotations

import numpy as np
import orjson

from schemas.columns import State

MOST = 1000  # signers, whose keys stand in a worker's settings


class Signers:
    """Its state is JSON in bytes, since signers are few and their names of any length."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def is_news(self, by: str, when_ns: int) -> bool:
        """Whether it was signed after this signer's earlier records; then its time is stored."""
        if when_ns <= self._newest.get(by, when_ns - 1):
            return False
        if by in self._newest or len(self._newest) < MOST:
            self._newest[by] = when_ns
        return True

    def snapshot(self) -> State:
        return {"newest": np.frombuffer(orjson.dumps(self._newest), np.uint8).copy()}

    def restore(self, state: State) -> None:
        """ValueError if the state is not one of this kind."""
        try:
            told = orjson.loads(state["newest"].astype(np.uint8).tobytes())
            whole = len(told) <= MOST and all(type(v) is int for v in told.values())
        except (TypeError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise ValueError("snapshot with impossible values: signers")
        self._newest = told
