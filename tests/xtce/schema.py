"""OMG's schema of XTCE 1.2 as plain objects: types, their elements in order, their attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from lxml import etree

from pipeline.mdb.schema import schema_path

XS = "{http://www.w3.org/2001/XMLSchema}"
NAMESPACE = "http://www.omg.org/spec/XTCE/20180204"


@dataclass(frozen=True)
class Attribute:
    """values: the words of an enumeration; empty for free ones."""

    name: str
    type: str
    required: bool
    values: tuple[str, ...]


@dataclass(frozen=True)
class Child:
    """An element inside a type. type: its type's name; least: minOccurs."""

    name: str
    type: str
    least: int


@dataclass(frozen=True)
class Group:
    """A sequence or a choice of children and groups."""

    choice: bool
    least: int
    parts: tuple[Child | Group, ...]

    def children(self) -> Iterator[Child]:
        for part in self.parts:
            if isinstance(part, Child):
                yield part
            else:
                yield from part.children()


@dataclass
class Type:
    """A complex type, with what it inherits. text: its content is text."""

    name: str
    content: Group
    attributes: dict[str, Attribute] = field(default_factory=dict)
    text: bool = False

    @property
    def children(self) -> dict[str, Child]:
        return {c.name: c for c in self.content.children()}


@cache
def types() -> dict[str, Type]:
    """Every complex type by name; anonymous ones as Type/Element."""
    return _Reader().found


class _Reader:
    def __init__(self) -> None:
        path = schema_path()
        assert path, "the tests need the package space_packet_parser"
        root = etree.fromstring(path.read_bytes())
        self._complex = {t.get("name"): t for t in root.findall(f"{XS}complexType")}
        self._simple = {t.get("name"): t for t in root.findall(f"{XS}simpleType")}
        self.found: dict[str, Type] = {}
        for name, node in self._complex.items():
            self._type(name, node)

    def _type(self, name: str, node: etree._Element) -> Type:
        if name in self.found:
            return self.found[name]
        parts: list[Child | Group] = []
        attributes: dict[str, Attribute] = {}
        extension = node.find(f"{XS}complexContent/{XS}extension")
        simple = node.find(f"{XS}simpleContent/{XS}extension")
        if extension is not None:
            base = _local(extension.get("base"))
            of = self._type(base, self._complex[base])
            parts.append(of.content)
            attributes |= of.attributes
        body = next(n for n in (extension, simple, node) if n is not None)
        for part in body:
            if part.tag in (f"{XS}sequence", f"{XS}choice"):
                parts.append(self._group(name, part))
            elif part.tag == f"{XS}attribute" and part.get("name"):
                attributes[part.get("name")] = self._attribute(part)
        made = Type(name, Group(False, 1, tuple(parts)), attributes, simple is not None)
        self.found[name] = made
        return made

    def _group(self, owner: str, node: etree._Element) -> Group:
        parts: list[Child | Group] = []
        for part in node:
            if part.tag in (f"{XS}sequence", f"{XS}choice"):
                parts.append(self._group(owner, part))
            elif part.tag == f"{XS}element":
                parts.append(self._child(owner, part))
        return Group(node.tag == f"{XS}choice", int(node.get("minOccurs", "1")), tuple(parts))

    def _child(self, owner: str, node: etree._Element) -> Child:
        least = int(node.get("minOccurs", "1"))
        if node.get("ref"):
            return Child("SpaceSystem", "SpaceSystemType", least)
        name, inner = node.get("name"), node.find(f"{XS}complexType")
        if inner is None:
            return Child(name, _local(node.get("type")), least)
        self._type(f"{owner}/{name}", inner)
        return Child(name, f"{owner}/{name}", least)

    def _attribute(self, node: etree._Element) -> Attribute:
        kind = _local(node.get("type"))
        simple = node.find(f"{XS}simpleType") if not kind else self._simple.get(kind)
        words = tuple(self._words(simple))
        return Attribute(node.get("name"), kind, node.get("use") == "required", words)

    def _words(self, simple: etree._Element | None) -> list[str]:
        """The words of an enumeration, or of a union's parts."""
        if simple is None:
            return []
        words = [e.get("value") for e in simple.iter(f"{XS}enumeration")]
        for union in simple.iter(f"{XS}union"):
            for member in union.get("memberTypes", "").split():
                words += self._words(self._simple.get(_local(member)))
        return words


def _local(name: str | None) -> str:
    return (name or "").split(":")[-1]
