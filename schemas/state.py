"""State of a stage: named arrays that never change shape, so that memory is bounded by design."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from schemas.columns import Stage, State


class Stateful:
    """Holds `self.state`; kernels write into its arrays in place."""

    state: State

    def snapshot(self) -> State:
        return {name: array.copy() for name, array in self.state.items()}

    def restore(self, state: State) -> None:
        """Overwrite in place. ValueError when the names, types or shapes are another stage's."""
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
            np.copyto(array, new)


class Composite(ABC):
    """Stages put together: its state is theirs, each under its name."""

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
