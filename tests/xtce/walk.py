"""Walks the schema from SpaceSystem through every element that the loader supports.

An element is asked about inside every element that may hold it. Where the loader refuses the outer
one or passes it over, what stands inside only there shares its lot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.xtce.ask import SUPPORTED, Answer, ask
from tests.xtce.fragments import build, value
from tests.xtce.schema import Attribute, Child, types

ROOT = Child("SpaceSystem", "SpaceSystemType", 1)
COMMANDS = "CommandMetaData"  # the other half of XTCE: not walked into
Path = tuple[Child, ...]


@dataclass
class Walked:
    """elements: (outer, inner) → answers by the path at which they were asked for."""

    elements: dict[tuple[Child, Child], dict[Path, Answer]] = field(default_factory=dict)
    attributes: dict[tuple[Child, str, str], Answer] = field(default_factory=dict)

    def supported(self, pair: tuple[Child, Child]) -> bool:
        return any(a.verdict == SUPPORTED for a in self.elements[pair].values())


def walk() -> Walked:
    """Every element and attribute reachable from the root, each with the loader's answer."""
    walked = Walked()
    todo: list[Path] = [()]
    while todo:
        path = todo.pop(0)
        outer = path[-1] if path else ROOT
        of = types().get(outer.type)
        if of is None:
            continue
        for attribute in of.attributes.values():
            _ask_attribute(walked, path, outer, attribute)
        for inner in of.children.values():
            pair = (outer, inner)
            answers = walked.elements.setdefault(pair, {})
            new = not walked.supported(pair)
            answers[path] = ask(*build((*path, inner)))
            if new and answers[path].verdict == SUPPORTED:
                todo.append((*path, inner))
    return walked


def _ask_attribute(walked: Walked, path: Path, outer: Child, attribute: Attribute) -> None:
    for word in attribute.values or ("",):
        key = (outer, attribute.name, word)
        if key in walked.attributes and walked.attributes[key].verdict == SUPPORTED:
            continue
        for encoding in _encodings(outer, attribute):
            root, node = build(path)
            if encoding:
                node.set("encoding", encoding)
            if attribute.name == "baseType":
                node.set("baseType", _kind_of(outer))
            elif word or attribute.name not in node.attrib:
                node.set(attribute.name, word or value(attribute, outer.name))
            walked.attributes[key] = ask(root, node)
            if walked.attributes[key].verdict == SUPPORTED:
                break


def _encodings(outer: Child, attribute: Attribute) -> tuple[str, ...]:
    """A size may be right for one of the encodings alone: the default is asked last."""
    of = types()[outer.type].attributes.get("encoding")
    return (*(of.values if of and attribute.name == "sizeInBits" else ()), "")


def _kind_of(outer: Child) -> str:
    return outer.name.removesuffix("ParameterType")


def beyond(walked: Walked) -> dict[tuple[Child, Child], Child]:
    """(outer, inner) that stand only inside elements not supported, and that outermost one."""
    found: dict[tuple[Child, Child], Child] = {}
    todo = [
        (pair[1], pair[1])
        for pair in walked.elements
        if not walked.supported(pair) and pair[1].name != COMMANDS
    ]
    while todo:
        outer, lot = todo.pop(0)
        of = types().get(outer.type)
        for inner in of.children.values() if of else ():
            pair = (outer, inner)
            if pair not in walked.elements and pair not in found:
                found[pair] = lot
                todo.append((inner, lot))
    return found


def reachable() -> set[tuple[Child, Child]]:
    """Every (outer, inner) of the telemetry side, by the schema alone."""
    found: set[tuple[Child, Child]] = set()
    todo = [ROOT]
    while todo:
        outer = todo.pop()
        of = types().get(outer.type)
        for inner in of.children.values() if of and outer.name != COMMANDS else ():
            if (outer, inner) not in found:
                found.add((outer, inner))
                todo.append(inner)
    return found
