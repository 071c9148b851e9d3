"""State of a stage: named arrays that never change shape, so that memory is bounded by design."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from schemas.columns import Stage, State


class Stateful:
    """Holds `self.state`; kernels write into its arrays in place.

    bounds: least and most of the arrays that kernels use as indexes, counts or levels. A snapshot
    comes from outside, and an index beyond its array would reach other memory.
    """

    state: State
    bounds: Mapping[str, tuple[Any, Any]] = MappingProxyType({})

    def snapshot(self) -> State:
        return {name: array.copy() for name, array in self.state.items()}

    def restore(self, state: State) -> None:
        """Overwrite in place. ValueError when names, types or shapes are those of another stage, or
        a value is impossible for this one; then nothing is changed."""
        if state.keys() != self.state.keys():
            odd = sorted(state.keys() ^ self.state.keys())
            raise ValueError(f"snapshot of another stage: {', '.join(odd)}")
        for name, array in self.state.items():
            new = state[name]
            if new.dtype != array.dtype or new.shape != array.shape:
                raise ValueError(
                    f"snapshot of another mission: {name} is {new.dtype}{new.shape}, "
                    f"this one has {array.dtype}{array.shape}"
                )
        self.check(state)
        for name, array in self.state.items():
            np.copyto(array, state[name])

    def check(self, state: State) -> None:
        """ValueError where a value is impossible for this stage."""
        for name, (least, most) in self.bounds.items():
            if ((state[name] < least) | (state[name] > most)).any():
                raise ValueError(f"snapshot with impossible values: {name} is beyond its bounds")


class Composite(ABC):
    """Several stages as one: its state is theirs, each under the stage's name."""

    @property
    @abstractmethod
    def stages(self) -> dict[str, Stage]:
        """Its stages by the name that each has in a snapshot."""

    def snapshot(self) -> State:
        return {k: v for n, s in self.stages.items() for k, v in nest(n, s.snapshot()).items()}

    def restore(self, state: State) -> None:
        """ValueError where the state is another mission's."""
        for name, stage in self.stages.items():
            stage.restore(within(name, state))


def nest(prefix: str, state: State) -> State:
    return {f"{prefix}/{name}": array for name, array in state.items()}


def within(prefix: str, state: State) -> State:
    head = prefix + "/"
    return {k[len(head) :]: v for k, v in state.items() if k.startswith(head)}
