"""Asks the loader: does it read an element, pass it over, or refuse it, and in which words?"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lxml import etree

from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.mdb.xml import Element
from schemas.mission import MissionDatabase
from tests.xtce.fragments import ROOT_CONTAINER

SUPPORTED, PASSED_OVER, REFUSED = "supported", "passed over", "refused"
MARK = "asked"  # an instruction inside the element that is asked about


@dataclass(frozen=True)
class Answer:
    """read: names of the attributes that the loader took from the element; "" for the element."""

    verdict: str
    message: str = ""
    read: frozenset[str] = frozenset()


def ask(root: etree._Element, node: etree._Element) -> Answer:
    """The loader's answer to a database, and whether it looked at the node."""
    mark = etree.ProcessingInstruction(MARK)
    node.append(mark)
    with _watched() as read:
        loaded = _load(root)
    if isinstance(loaded, str):
        return Answer(REFUSED, loaded)
    if not read and _loads_as_well_without(root, node, loaded):
        return Answer(PASSED_OVER)
    return Answer(SUPPORTED, "", frozenset(read))


def _load(root: etree._Element) -> MissionDatabase | str:
    """The database, or the refusal."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "asked.xml"
        path.write_bytes(etree.tostring(root))
        try:
            return replace(load_xtce(path, ROOT_CONTAINER), path="", sha256="", notes=())
        except MissionError as error:
            return _general(str(error), path)


def _loads_as_well_without(
    root: etree._Element, node: etree._Element, loaded: MissionDatabase
) -> bool:
    """Whether nothing changes where the node is taken out: some say all by being there."""
    parent = node.getparent()
    assert parent is not None
    parent.remove(node)
    return _load(root) == loaded


@contextmanager
def _watched() -> Iterator[set[str]]:
    """What the loader looks at in the marked element."""
    read: set[str] = set()

    def note(element: Element, name: str) -> None:
        if any(n.target == MARK for n in element._node.iterchildren(etree.PI)):
            read.add(name)

    def method(original: Any, takes_name: bool) -> Any:
        def wrapper(self: Element, *arguments: Any, **words: Any) -> Any:
            note(self, arguments[0] if takes_name else "")
            return original(self, *arguments, **words)

        return wrapper

    def look(original: property) -> property:
        def getter(self: Element) -> Any:
            note(self, "")
            return original.fget(self)  # type: ignore[misc]

        return property(getter)

    with (
        patch.object(Element, "attribute", method(Element.attribute, True)),
        patch.object(Element, "has", method(Element.has, True)),
        patch.object(Element, "only_attributes", method(Element.only_attributes, False)),
        patch.object(Element, "children", method(Element.children, False)),
        patch.object(Element, "find", method(Element.find, False)),
        patch.object(Element, "text", look(Element.text)),
    ):
        yield read


def _general(message: str, path: Path) -> str:
    """A refusal without the file, the line, and names that the fragments gave."""
    found = re.fullmatch(rf"{re.escape(str(path))}, line \d+, (<[^>]*>): (.*)", message, re.DOTALL)
    assert found, f"a refusal that does not name file, line and element: {message}"
    return re.sub(r" name='[^']*'", "", found.group(1)) + " " + found.group(2)
