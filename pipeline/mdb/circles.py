"""Refuses containers, computed parameters and calibrators that lead back to themselves, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from pipeline.mdb.names import Names, split_path
from pipeline.mdb.xml import Element
from schemas.mission import (
    AllOf,
    AnyOf,
    Calibrator,
    Comparison,
    Container,
    Criteria,
    Derived,
    Formula,
    Parameter,
    ParameterType,
    Reference,
)

MAX_NESTED = 100
_TOLD = 12  # most names of a circle in a message
_INDEX = re.compile(r"\[\d+\]")


class CircleError(Exception):
    """names: from one back to itself; the message shows only the two ends of a long circle."""

    def __init__(self, names: list[str]) -> None:
        told = names if len(names) <= _TOLD else [*names[: _TOLD // 2], "…", *names[-_TOLD // 2 :]]
        super().__init__(" → ".join(told))
        self.names = names


def innermost_first(below: Mapping[str, Iterable[str]]) -> list[str]:
    """The names, each after all that it leads to; CircleError where one leads back to itself.

    A name that is not a key leads nowhere. Iterative: a chain may be as long as the file.
    """
    done: dict[str, None] = {}  # in order
    for start in below:
        path = {} if start in done else {start: iter(below[start])}
        while path:
            here, left = next(reversed(path.items()))
            following = next(left, None)
            if following is None:
                del path[here]
                done[here] = None
            elif following in path:
                names = list(path)
                raise CircleError([*names[names.index(following) :], following])
            elif following not in done:
                path[following] = iter(below.get(following, ()))
    return list(done)


def refuse_nested(names: Names, containers: Mapping[str, Container]) -> None:
    """No container holds or extends itself, or is nested deeper than MAX_NESTED."""
    below = {
        c.name: [*(e.name for e in c.entries if e.kind == "container"), *filter(None, [c.base])]
        for c in containers.values()
    }
    try:
        order = innermost_first(below)
    except CircleError as circle:
        element, _ = names.items["container"][circle.names[0]]
        raise element.refuse(f"contains itself: {circle}.") from None
    height: dict[str, int] = {}
    for name in order:
        height[name] = 1 + max((height[inner] for inner in below[name]), default=0)
        if height[name] > MAX_NESTED:
            element, _ = names.items["container"][name]
            raise element.refuse(f"containers nested deeper than {MAX_NESTED}.")


def refuse_waiting(elements: Mapping[str, Element], derived: Mapping[str, Derived]) -> None:
    """No computed parameter triggers itself, directly or through others. elements: by output."""
    try:
        innermost_first({output: one.triggers for output, one in derived.items()})
    except CircleError as circle:
        first = circle.names[0]
        raise elements[first].refuse(f"{first} sets itself off: {circle}.") from None


def refuse_calibrators(
    names: Names, types: Iterable[ParameterType], parameters: Mapping[str, Parameter]
) -> None:
    """No calibrator needs the calibrated value that it computes, directly or through others.

    Elements of an array, and repetitions of an entry, count as one: they share a calibrator.
    """
    read = {name for of in types for name in _calibrated(of)}  # only these can be in a circle
    below = {name: _calibrated(_type_of(name, parameters)) for name in sorted(read)}
    try:
        innermost_first(below)
    except CircleError as circle:
        element, _ = names.items["parameter"][split_path(circle.names[0])[0]]
        raise element.refuse(f"its calibrator needs what it makes: {circle}.") from None


def _calibrated(of: ParameterType) -> list[str]:
    """Parameters, or members of them, whose calibrated values a type's calibrators read."""
    found = [*_read(of.calibrator)]
    for criteria, calibrator in of.context_calibrators:
        found += [*_read(criteria), *_read(calibrator)]
    return list(dict.fromkeys(_INDEX.sub("", r.parameter) for r in found if r.calibrated))


def _read(of: Criteria | Calibrator | None) -> Iterator[Reference]:
    if isinstance(of, AllOf | AnyOf):
        for part in of.parts:
            yield from _read(part)
    elif isinstance(of, Comparison):
        yield from (side for side in (of.left, of.right) if isinstance(side, Reference))
    elif isinstance(of, Formula):
        yield from (token for token in of.tokens if isinstance(token, Reference))


def _type_of(name: str, parameters: Mapping[str, Parameter]) -> ParameterType:
    """Type of a parameter or of a member of it; for an array, the type of its elements."""
    key, path = split_path(name)
    of = _element(parameters[key].type)
    for member in path.split(".")[1:]:
        of = _element(dict(of.members)[member])
    return of


def _element(of: ParameterType) -> ParameterType:
    while of.element is not None:
        of = of.element
    return of
