"""Validates a file against OMG's schema of XTCE 1.2, in addition to the loader's own checks.

Real databases violate the schema in ways that do not affect decoding (the order of elements, words
of another version), so a violation is a warning. Heartline does not distribute the schema: it
comes with the package space_packet_parser, where that is installed.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

from pipeline.mdb.xml import read_tree

PACKAGE = "space_packet_parser"
_XS = "{http://www.w3.org/2001/XMLSchema}"
_XML_BASE = "xml:base"


def schema_path() -> Path | None:
    """SpaceSystem.xsd, or None where the package is not installed. It is not imported."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "xtce" / "schemas" / "SpaceSystem.xsd"
    return path if path.exists() else None


def violations(path: Path, schema: Path) -> list[tuple[int, str]]:
    """(line, what is wrong) of each violation, in order of line. MissionError: it is not XML."""
    root, _ = read_tree(path)
    validator = _validator(schema)
    validator.validate(root)
    log = validator.error_log
    found = {(e.line, _short(e.message)) for e in log}  # type: ignore[attr-defined]  # stub's lack
    return sorted(found)


@cache
def _validator(schema: Path) -> etree.XMLSchema:
    """The schema without xml:base, whose own schema would have to come from the network."""
    root = etree.fromstring(schema.read_bytes())
    for node in [*root.iter(f"{_XS}import"), *root.iter(f"{_XS}attribute")]:
        parent = node.getparent()
        if parent is not None and (node.tag == f"{_XS}import" or node.get("ref") == _XML_BASE):
            parent.remove(node)
    return etree.XMLSchema(root)


def _short(message: str) -> str:
    """Without the namespace, which stands before every name of an XTCE file."""
    return message.replace("{http://www.omg.org/spec/XTCE/20180204}", "")
