"""XML reader that overlooks nothing: what a caller does not name is refused, with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lxml import etree

from pipeline.errors import MissionError

# Words for people: they change nothing that is decoded.
DOCUMENTATION = frozenset({"LongDescription", "AliasSet", "AncillaryDataSet", "Header"})
# They have only attributes or text: an element inside them would be overlooked.
LEAVES = frozenset({
    "ParameterInstanceRef", "ParameterInstanceRefOperand", "ThisParameterOperand", "ValueOperand",
    "Operator", "ComparisonOperator", "Value", "Comparison", "FixedValue", "LinearAdjustment",
    "InputParameterInstanceRef", "Constant", "OutputParameterRef", "OnParameterUpdateTrigger",
    "AlgorithmText", "OffsetFrom", "Epoch", "Term", "SplinePoint", "Enumeration", "Unit",
    "ValidRange", "TerminationChar", "LeadingSize", "WatchRange", "WarningRange", "DistressRange",
    "CriticalRange", "SevereRange",
})  # fmt: skip
XINCLUDE = "http://www.w3.org/2001/XInclude"
XTCE_1_1 = "http://www.omg.org/space/xtce"
FROM = "{heartline}file"  # attribute of an included element: its file
MOST_INCLUDED = 16
DOCUMENTATION_ATTRIBUTES = frozenset({"shortDescription", "name"})
# namespaces of XML itself and of schema locations, not of a vendor
_OF_XML = frozenset({
    "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2001/XMLSchema-instance",
})  # fmt: skip


class Element:
    """An XML element whose children and attributes must be asked for by name."""

    def __init__(self, node: etree._Element, path: str, base: Element | None = None) -> None:
        self._node = node
        self._path = path if node.get(FROM) is None else str(node.get(FROM))
        self._base = base  # what it extends (baseType): used for what this element lacks
        self._attributes_checked = False
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
        """Its own complete text: a comment in the middle does not cut it off."""
        parts = [self._node.text, *(inner.tail for inner in self._node)]
        return "".join(part or "" for part in parts).strip()

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
            number = int(value, 0)
        except ValueError:
            raise self.refuse(f"{name}={value!r} is not a whole number.") from None
        if abs(number) >= 2**63:
            raise self.refuse(f"{name}={value!r} is more than 64 bits hold.")
        return number

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
        """Refuses every other attribute. Call it before children(), which else allows none."""
        self._attributes_checked = True
        for key in self._node.attrib:
            qname = etree.QName(key)
            if key == FROM or qname.namespace in _OF_XML:
                continue
            if qname.namespace is not None:
                what = f"attribute {qname.localname!r} of {qname.namespace} is none of XTCE 1.2"
                raise self.refuse(f"{what}: what it changes is not known.")
            if qname.localname not in DOCUMENTATION_ATTRIBUTES.union(allowed):
                raise self.refuse(
                    f"attribute {qname.localname!r} is not supported (XTCE 1.2, {self.tag})."
                )

    def children(self, *allowed: str) -> Iterator[Element]:
        """Child elements of the allowed names; documentation is passed over, others refused."""
        if not self._attributes_checked:
            self.only_attributes()
        yield from self._children(allowed)

    def _children(self, allowed: tuple[str, ...]) -> Iterator[Element]:
        own = [Element(n, self._path) for n in self._node.iterchildren(etree.Element)]
        for child in own:
            if child.tag in DOCUMENTATION:
                continue
            if child._is_foreign_to(self._node):
                where = etree.QName(child._node).namespace or "no namespace"
                raise child.refuse(f"is of {where}, and none of XTCE 1.2.")
            if child.tag not in allowed:
                raise child.refuse(
                    f"not supported inside <{self.tag}> (XTCE 1.2, {self.tag}/{child.tag})."
                )
            child._refuse_inside_a_leaf()
            inherits = self._base is not None and child.tag.endswith("DataEncoding")
            whole = self._encoding(child.tag) if inherits else None
            yield whole or child
        if self._base is not None:
            given = {_slot(child.tag) for child in own}
            for child in self._base._children(allowed):
                if _slot(child.tag) not in given:
                    yield child

    def _is_foreign_to(self, parent: etree._Element) -> bool:
        """Whether it is of another namespace; a file that was included may be of its own."""
        same = etree.QName(self._node).namespace == etree.QName(parent).namespace
        return not same and self._node.get(FROM) == parent.get(FROM)

    def _encoding(self, tag: str) -> Element | None:
        """A data encoding extends the base type's encoding of the same kind: it "inherits all the
        attributes", as the schema says of baseType."""
        below = self._base._encoding(tag) if self._base else None
        own = next((n for n in self._node.iterchildren() if n.tag == self._sibling(tag)), None)
        if own is None:
            return below
        return Element(own, self._path, below)

    def _sibling(self, tag: str) -> str:
        namespace = etree.QName(self._node).namespace
        return f"{{{namespace}}}{tag}" if namespace else tag

    def _refuse_inside_a_leaf(self) -> None:
        inner = self._node.find("{*}*") if self.tag in LEAVES else None
        if inner is not None:
            raise Element(inner, self._path).refuse(f"not supported inside <{self.tag}>.")

    def find(self, *path: str) -> list[Element]:
        """Descendants along a path of tags, without checking what else stands there."""
        here = [self]
        for tag in path:
            here = [
                Element(n, e._path)
                for e in here
                for n in e._node.iterchildren(etree.Element)
                if etree.QName(n).localname == tag
                and not Element(n, e._path)._is_foreign_to(e._node)
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


def version_notes(root: Element) -> list[str]:
    """What is to be said of a database of another version of XTCE than 1.2."""
    namespace = etree.QName(root._node).namespace or ""
    if namespace != XTCE_1_1:
        return []
    return [root.tell("a database of XTCE 1.1 is read as one of 1.2: what 1.2 lacks is refused.")]


def parse(path: str | Path, subsystems: Sequence[str | Path] = ()) -> tuple[Element, bytes]:
    """Root element and the bytes of the file, and of all that it includes. MissionError when it is
    absent or not XML. subsystems: files whose roots are put at the end of this one's."""
    root, content = _whole(Path(path))
    for further in subsystems:
        inner, more = _whole(Path(further))
        if etree.QName(inner).localname != "SpaceSystem":
            raise Element(inner, str(further)).refuse("a subsystem's root is a SpaceSystem.")
        _stands_in(inner, Path(further))
        root.append(inner)
        content += more
    for entity in root.iter(etree.Entity):
        inside = entity.getparent()
        assert inside is not None
        raise Element(inside, str(path)).refuse(
            f"the entity {entity.text} is not followed: write out what it stands for."
        )
    return Element(root, str(path)), content


def _whole(path: Path) -> tuple[etree._Element, bytes]:
    root, content = read_tree(path)
    return root, _include(root, path, (path.resolve(),), content)


def _stands_in(root: etree._Element, path: Path) -> None:
    """Note the file of each element, where it is not known yet."""
    for one in root.iter(etree.Element):
        if one.get(FROM) is None:
            one.set(FROM, str(path))


def _include(root: etree._Element, path: Path, above: tuple[Path, ...], content: bytes) -> bytes:
    """Replace XInclude's elements by the files that they name (W3C XInclude 1.0); returns the bytes
    of all. Only files beside the first, or below it, are opened."""
    for node in list(root.iter(f"{{{XINCLUDE}}}include")):
        here = Element(node, str(path))
        href, whole = node.get("href", ""), node.get("parse", "xml") == "xml"
        if not href or not whole or node.get("xpointer"):
            raise here.refuse("only whole XML files, by href, are included.")
        target = (path.parent / href).resolve()
        if "://" in href or not target.is_relative_to(above[0].parent):
            raise here.refuse(f"{href!r} is no file beside the database, or below it.")
        if target in above or len(above) > MOST_INCLUDED:
            raise here.refuse(f"{href!r} includes itself, or is included too deep.")
        inner, more = read_tree(path.parent / href)
        content += _include(inner, path.parent / href, (*above, target), more)
        _stands_in(inner, path.parent / href)
        inner.tail = node.tail
        parent = node.getparent()
        if parent is None:
            raise here.refuse("the root of a database cannot be included.")
        parent.replace(node, inner)
    return content


def read_tree(path: str | Path) -> tuple[etree._Element, bytes]:
    """The tree as lxml has it. Entities are not replaced, and nothing else is opened for it."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise MissionError(f"{path}: cannot be read: {error.strerror}.") from None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        why = " ".join(str(error).split())  # of several lines now and then
        raise MissionError(f"{path}: not well-formed XML: {why}") from None
    return root, content
