"""Reading XML so that nothing is overlooked: what is not named is refused, with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from pipeline.errors import MissionError

# Words for people: they change nothing that is decoded.
DOCUMENTATION = frozenset({"LongDescription", "AliasSet", "AncillaryDataSet", "Header"})
DOCUMENTATION_ATTRIBUTES = frozenset({"shortDescription", "name"})


class Element:
    """An XML element whose children and attributes must be asked for by name."""

    def __init__(self, node: etree._Element, path: str, base: Element | None = None) -> None:
        self._node = node
        self._path = path
        self._base = base  # what it extends (baseType): stands in where this one is silent
        self.tag = etree.QName(node).localname

    def extending(self, base: Element) -> Element:
        """This element, with the attributes and children of its base type where it has none."""
        return Element(self._node, self._path, base)

    def refuse(self, why: str, mend: str = "") -> MissionError:
        return MissionError(self.tell(f"{why} {mend}".rstrip()))

    def tell(self, what: str) -> str:
        """A line about this element that names file, line and element."""
        name = self._node.get("name")
        me = f"<{self.tag} name={name!r}>" if name else f"<{self.tag}>"
        return f"{self._path}, line {self._node.sourceline}, {me}: {what}"

    @property
    def text(self) -> str:
        return (self._node.text or "").strip()

    @property
    def name(self) -> str:
        return self.attribute("name")

    def attribute(self, name: str, default: str | None = None) -> str:
        value = self._node.get(name)
        if value is None and self._base is not None and self._base.has(name) and name != "name":
            return self._base.attribute(name)
        value = default if value is None else value
        if value is None:
            raise self.refuse(f"attribute {name!r} is missing.")
        return value

    def has(self, name: str) -> bool:
        return self._node.get(name) is not None or bool(self._base and self._base.has(name))

    def number(self, name: str, default: str | None = None) -> float:
        value = self.attribute(name, default)
        try:
            return float(value)
        except ValueError:
            raise self.refuse(f"{name}={value!r} is not a number.") from None

    def integer(self, name: str, default: str | None = None) -> int:
        value = self.attribute(name, default)
        try:
            return int(value, 0)
        except ValueError:
            raise self.refuse(f"{name}={value!r} is not a whole number.") from None

    def flag(self, name: str, default: str) -> bool:
        value = self.attribute(name, default)
        if value not in ("true", "false", "1", "0"):
            raise self.refuse(f"{name}={value!r} is neither true nor false.")
        return value in ("true", "1")

    def choice(self, name: str, default: str, *allowed: str) -> str:
        value = self.attribute(name, default)
        if value not in allowed:
            raise self.refuse(f"{name}={value!r} is not supported (only {', '.join(allowed)}).")
        return value

    def only_attributes(self, *allowed: str) -> None:
        for key in self._node.attrib:
            qname = etree.QName(key)
            if qname.namespace is None and qname.localname not in DOCUMENTATION_ATTRIBUTES.union(
                allowed
            ):
                raise self.refuse(f"attribute {qname.localname!r} is not supported.")

    def children(self, *allowed: str) -> Iterator[Element]:
        """Child elements of the allowed names; documentation is passed over, others refused."""
        own = [Element(n, self._path) for n in self._node.iterchildren(etree.Element)]
        for child in own:
            if child.tag in allowed:
                yield child
            elif child.tag not in DOCUMENTATION:
                raise child.refuse(f"not supported inside <{self.tag}>.")
        if self._base is not None:
            given = {_slot(child.tag) for child in own}
            for child in self._base.children(*allowed):
                if _slot(child.tag) not in given:
                    yield child

    def find(self, *path: str) -> list[Element]:
        """Descendants along a path of tags, without checking what else stands there."""
        here = [self]
        for tag in path:
            here = [
                Element(n, e._path)
                for e in here
                for n in e._node.iterchildren(etree.Element)
                if etree.QName(n).localname == tag
            ]
        if not here and self._base is not None:
            return self._base.find(*path)
        return here

    def child(self, *allowed: str, required: bool = True) -> Element | None:
        found = list(self.children(*allowed))
        if len(found) > 1:
            raise found[1].refuse(f"only one is supported inside <{self.tag}>.")
        if not found and required:
            raise self.refuse(f"needs one of: {', '.join(allowed)}.")
        return found[0] if found else None

    def the(self, *allowed: str) -> Element:
        child = self.child(*allowed)
        assert child is not None
        return child


def _slot(tag: str) -> str:
    """Children that exclude each other take one place: a type has one data encoding."""
    return "DataEncoding" if tag.endswith("DataEncoding") else tag


def parse(path: str | Path) -> tuple[Element, bytes]:
    """Root element and the file's bytes. MissionError when it is absent or not XML."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise MissionError(f"{path}: cannot be read: {error.strerror}.") from None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise MissionError(f"{path}: not well-formed XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        # an entity would read another file, grow without end, or vanish from a text
        raise MissionError(f"{path}: has a DOCTYPE, which is not supported: take it out.")
    return Element(root, str(path)), content
