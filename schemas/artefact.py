"""Model artefacts: what a trained model knows, as one JSON object that says what it was made of.

Weights are the arrays of a family's state, each number as the shortest decimal that reads back
exactly. `sha256` is the hash of the object without it, keys sorted, no spaces; every alert of the
model has it. Nothing in an artefact is code, and sizes are checked before anything is allocated.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson

from schemas.columns import State
from schemas.settings import MAX_PHASES

FORMAT = 2
MAX_BYTES = 900_000  # it travels in a control record, whole; a broker takes 1 MB by default
MAX_ARRAYS, MAX_DIMENSIONS = 512, 4  # some thirty a phase
_TYPES: dict[str, np.dtype[Any]] = {
    "f8": np.dtype(np.float64),
    "f4": np.dtype(np.float32),
    "i8": np.dtype(np.int64),
    "u1": np.dtype(np.uint8),
}
RESERVED = "stages"  # a file of the mission folder
_FAMILY = re.compile("[a-z][a-z0-9_]{0,63}")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Parameters that are modelled together: those of one container that share a rate.

    parameters: qualified names, in the order of the last or first axis of the weights.
    """

    parameters: tuple[str, ...]
    settings: dict[str, Any]  # of the family's rule, all of them
    weights: State
    baseline: State  # what it must beat (pipeline.gate.baselines)

    def own(self, j: int) -> State:
        """The weights of one parameter, without those that all of them share."""
        f, found = len(self.parameters), {}
        for name, array in self.weights.items():
            last_first = "record." in name or name.endswith("fresh")
            axes = (-1, 0) if last_first else (0, -1)  # another axis may have the same length
            axis = next((a for a in axes if array.ndim and array.shape[a] == f), None)
            if axis is not None:
                found[name] = array.take(j, axis).ravel()
        return found


@dataclass(frozen=True, slots=True)
class Trained:
    """What a model was made of: a flight's file, its SHA-256, its rows from first to last."""

    flight: str
    sha256: str
    first_ns: int
    last_ns: int
    rows: int


@dataclass(frozen=True, eq=False)
class Artefact:
    """Two artefacts are equal if their content is, whose hash is `sha256`.

    phases: names of the flight phases, each with its own past; empty: one past for all.
    """

    name: str
    family: str
    version: int
    parts: tuple[Part, ...]
    trained: tuple[Trained, ...]
    code: dict[str, str]  # version and SHA-256 of the code that fitted it
    phases: tuple[str, ...] = ()

    @cached_property
    def content(self) -> bytes:
        """The object without its hash, as it is hashed."""
        told = {
            "format": FORMAT, "name": self.name, "family": self.family, "version": self.version,
            "parts": [_told(p) for p in self.parts],
            "trained": [
                {"flight": t.flight, "sha256": t.sha256, "first_ns": t.first_ns,
                 "last_ns": t.last_ns, "rows": t.rows}
                for t in self.trained
            ],
            "code": self.code, "phases": list(self.phases),
        }  # fmt: skip
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artefact) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    @cached_property
    def encoded(self) -> bytes:
        """With its hash, as it is kept and sent."""
        told = orjson.loads(self.content) | {"sha256": self.sha256}
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def _told(part: Part) -> dict[str, Any]:
    return {
        "parameters": list(part.parameters),
        "settings": part.settings,
        "weights": _arrays_told(part.weights),
        "baseline": _arrays_told(part.baseline),
    }


def _arrays_told(state: State) -> dict[str, Any]:
    return {
        name: {"type": array.dtype.str[1:], "shape": list(array.shape),
               "values": " ".join(map(repr, array.ravel().tolist()))}
        for name, array in state.items()
    }  # fmt: skip


def encode_artefact(artefact: Artefact) -> bytes:
    """ValueError where it is too large for one record."""
    if len(artefact.encoded) > MAX_BYTES:
        raise ValueError(
            f"is of {len(artefact.encoded)} bytes, and {MAX_BYTES} at most go into one record: "
            "train it on fewer parameters at a time"
        )
    return artefact.encoded


def decode_artefact(content: bytes) -> Artefact:
    """ValueError says what is wrong with it; the hash is checked last, over all of it."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes")
    told = orjson.loads(content)
    keys = {"format", "name", "family", "version", "parts", "trained", "code", "phases", "sha256"}
    if isinstance(told, dict) and told.get("format", FORMAT) != FORMAT:
        raise ValueError(f"its format is {told['format']!r}, not {FORMAT}: train it anew")
    _keys(told, keys, "an artefact")
    name = told["name"]
    check_name(name)
    if not isinstance(told["family"], str) or not _FAMILY.fullmatch(told["family"]):
        raise ValueError(f"family {told['family']!r} is no family's name")
    code = told["code"]
    if not isinstance(code, dict) or not all(isinstance(v, str) for v in code.values()):
        raise ValueError("code must be an object of texts")
    artefact = Artefact(
        name, told["family"], _whole(told["version"], "version"),
        tuple(_part(p) for p in _list(told["parts"], "parts")),
        tuple(_trained(t) for t in _list(told["trained"], "trained")), code,
        _phases(told["phases"]),
    )  # fmt: skip
    if not artefact.parts:
        raise ValueError("parts must hold one part or more")
    if len(artefact.content) > MAX_BYTES - 100:  # written out in full; its hash comes to it
        raise ValueError(f"is larger than {MAX_BYTES} bytes where it is written as it is hashed")
    if artefact.sha256 != told["sha256"]:
        raise ValueError(f"its SHA-256 is {artefact.sha256}, not what it says: it was changed")
    return artefact


def check_name(name: Any) -> None:
    """ValueError where no model can be called that."""
    if not isinstance(name, str) or not 0 < len(name) <= 100 or not _NAME.issuperset(name):
        raise ValueError(f"name {name!r} must be 1 to 100 of a to z, 0 to 9, - and _")
    if name == RESERVED:
        raise ValueError(f"no model can be called {RESERVED!r}")


def _part(told: Any) -> Part:
    _keys(told, {"parameters", "settings", "weights", "baseline"}, "a part")
    names = _list(told["parameters"], "parameters")
    if not names or not all(isinstance(n, str) for n in names) or len({*names}) < len(names):
        raise ValueError("parameters must be qualified names, one or more, each once")
    settings = told["settings"]
    if not isinstance(settings, dict):
        raise ValueError("settings must be an object")
    weights, known = (_arrays(told[key], key) for key in ("weights", "baseline"))
    if known.keys() != {"low", "high", "step"} or any(
        a.shape != (len(names),) or a.dtype != np.float64 for a in known.values()
    ):
        raise ValueError("a baseline must hold low, high and step of each parameter, as f8")
    return Part(tuple(names), settings, weights, known)


def _arrays(told: Any, what: str) -> State:
    if not isinstance(told, dict) or len(told) > MAX_ARRAYS:
        raise ValueError(f"{what} must be an object of at most {MAX_ARRAYS} arrays")
    return {name: _array(name, array) for name, array in told.items()}


def _array(name: str, told: Any) -> np.ndarray[Any, Any]:
    _keys(told, {"type", "shape", "values"}, f"weights {name}")
    kind, shape, values = told["type"], _list(told["shape"], "shape"), told["values"]
    sizes = [_whole(n, f"shape of {name}") for n in shape]
    if (
        not isinstance(kind, str)
        or kind not in _TYPES
        or not isinstance(values, str)
        or len(sizes) > MAX_DIMENSIONS
    ):
        raise ValueError(f"weights {name} must have a type of {', '.join(_TYPES)}, and values")
    words = values.split()
    if math.prod(sizes) != len(words):
        raise ValueError(f"weights {name} are {len(words)} numbers, not {sizes}")
    try:
        numbers: Any = [*map(float if str(kind).startswith("f") else int, words)]
        with np.errstate(over="raise"):
            array: np.ndarray[Any, Any] = np.array(numbers, dtype=_TYPES[str(kind)])
        return array.reshape(sizes)
    except (ValueError, OverflowError, FloatingPointError):
        raise ValueError(f"weights {name} hold what is no number of type {kind}") from None


def _trained(told: Any) -> Trained:
    _keys(told, {"flight", "sha256", "first_ns", "last_ns", "rows"}, "trained")
    flight, digest = told["flight"], told["sha256"]
    if not isinstance(flight, str) or not isinstance(digest, str):
        raise ValueError("trained must name its flights and their SHA-256")
    times = (_whole(told[k], k) for k in ("first_ns", "last_ns", "rows"))
    return Trained(flight, digest, *times)


def _phases(told: Any) -> tuple[str, ...]:
    names = _list(told, "phases")
    most = MAX_PHASES + 1  # those that a mission names, and all others
    if len(names) > most or not all(isinstance(n, str) for n in names):
        raise ValueError(f"phases must be names, {most} at most")
    return tuple(names)


def _keys(told: Any, keys: set[str], what: str) -> None:
    if not isinstance(told, dict) or told.keys() != keys:
        raise ValueError(f"{what} must hold {', '.join(sorted(keys))}, and nothing else")


def _list(told: Any, what: str) -> list[Any]:
    if not isinstance(told, list):
        raise ValueError(f"{what} must be a list")
    return told


def _whole(told: Any, what: str) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < 2**63:
        raise ValueError(f"{what} must be a whole number")
    return told
