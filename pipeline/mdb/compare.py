"""What differs between two databases: what was added, removed, and changed, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from pipeline.mdb.places import Placed, Places
from pipeline.mdb.words import type_words, words
from schemas.mission import Container, MissionDatabase, Parameter, ParameterType


@dataclass(frozen=True, slots=True)
class Change:
    """kind: parameter, container, derived or database; how: added, removed or changed."""

    kind: str
    name: str
    how: str
    details: tuple[str, ...] = ()


def differences(old: MissionDatabase, new: MissionDatabase) -> list[Change]:
    """Every change, in the order of the old database and then of what is new."""
    changes = []
    if details := _values(("name", old.name, new.name), ("root container", old.root, new.root)):
        changes.append(Change("database", new.name, "changed", details))
    parameters = old.parameters, new.parameters
    for name, how in _fates(*parameters):
        both = [of[name] for of in parameters] if how == "both" else []
        changes += _change("parameter", name, how, _parameter(*both) if both else ())
    places = Places(old), Places(new)
    containers = old.containers, new.containers
    for name, how in _fates(*containers):
        details = ()
        if how == "both":
            before, after = (
                _container(p, of[name]) for p, of in zip(places, containers, strict=True)
            )
            details = _lines(before, after)
        changes += _change("container", name, how, details)
    derived = ({d.output: d for d in old.derived}, {d.output: d for d in new.derived})
    for name, how in _fates(*derived):
        details = ()
        if how == "both":
            details = _values(
                ("formula", derived[0][name].formula, derived[1][name].formula),
                ("triggers", derived[0][name].triggers, derived[1][name].triggers),
            )
        changes += _change("derived", name, how, details)
    return changes


def _fates(old: Mapping[str, object], new: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names of both, each with: added, removed or both."""
    names = dict.fromkeys([*old, *new])
    return [(n, "added" if n not in old else "removed" if n not in new else "both") for n in names]


def _change(kind: str, name: str, how: str, details: tuple[str, ...]) -> list[Change]:
    if how != "both":
        return [Change(kind, name, how)]
    return [Change(kind, name, "changed", details)] if details else []


def _parameter(old: Parameter, new: Parameter) -> tuple[str, ...]:
    texts = _values(("description", old.description, new.description))
    return (*texts, *_type(old.type, new.type))


def _type(old: ParameterType, new: ParameterType) -> tuple[str, ...]:
    """A type's changed fields; for a composite type or a changed kind, the whole type in words."""
    if old.kind != new.kind or old.members or old.element:
        told = _values(("type", type_words(old), type_words(new)))
        return told or _values(("type", old, new), always=old != new)
    return _values(
        *(
            (f.name.replace("_", " "), getattr(old, f.name), getattr(new, f.name))
            for f in fields(old)
            if f.name != "name"
        )
    )


def _container(places: Places, of: Container) -> list[str]:
    """A container as lines to compare: its base and restriction, abstract or not, its entries."""
    base = (
        [f"extends {of.base}" + _where(words(of.restriction) if of.base else "")] if of.base else []
    )
    return [*base, *(["abstract"] if of.abstract else []), *map(entry_words, places.of(of))]


def _where(criteria: str) -> str:
    return f" where {criteria}" if criteria else ""


def entry_words(placed: Placed) -> str:
    """`bit 48: VOLTS, 16 bits`, and under which condition and how often it stands there."""
    entry = placed.entry
    at = "?" if placed.at is None else placed.at
    bits = "a varying number of bits" if placed.bits is None else f"{placed.bits} bits"
    inside = "container " if entry.kind == "container" else ""
    told = f"bit {at}: {inside}{entry.name}, {bits}"
    if entry.include is not None:
        told += f", if {words(entry.include)}"
    if entry.repeat is not None:
        told += f", {words(entry.repeat[0])} times"
        if entry.repeat[1] != 0:
            told += f" with {words(entry.repeat[1])} bits between"
    if placed.at is None and entry.location is not None:
        told += f", {words(entry.location[1])} bits from {entry.location[0]}"
    return told


def _lines(old: list[str], new: list[str]) -> tuple[str, ...]:
    return tuple(
        [f"- {line}" for line in old if line not in new]
        + [f"+ {line}" for line in new if line not in old]
    )


def _values(*of: tuple[str, object, object], always: bool = False) -> tuple[str, ...]:
    return tuple(f"{what}: {words(a)} → {words(b)}" for what, a, b in of if a != b or always)
