"""docs/xtce.md tells what the loader says today, of every element of the schema."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from pipeline.mdb.schema import schema_path, violations
from tests.conftest import PROJECT
from tests.reference.databases import Draw
from tests.xtce.ask import PASSED_OVER, REFUSED, SUPPORTED, ask
from tests.xtce.fragments import build
from tests.xtce.reasons import PASSED_ATTRIBUTES, PASSED_ELEMENTS
from tests.xtce.render import PAGE, attribute_verdict, page
from tests.xtce.schema import types
from tests.xtce.walk import Walked, beyond, reachable, walk

MEND = "write docs/xtce.md anew with: python -m tests.xtce"


@cache
def asked() -> Walked:
    return walk()


def test_the_page_tells_what_the_loader_says() -> None:
    assert PAGE.read_text() == page(asked()), MEND


def test_every_element_of_the_schema_is_asked_about() -> None:
    told = {*asked().elements, *beyond(asked())}
    assert not {f"{o.name}/{i.name}" for o, i in reachable() - told}


def test_nothing_is_passed_over_without_a_reason() -> None:
    passed = {
        inner.name
        for (_, inner), answers in asked().elements.items()
        if any(a.verdict == PASSED_OVER for a in answers.values())
    }
    assert passed == set(PASSED_ELEMENTS)
    attributes = {
        name
        for (_, name, _), answer in asked().attributes.items()
        if attribute_verdict(name, answer) == PASSED_OVER
    }
    assert attributes <= set(PASSED_ATTRIBUTES)


def test_what_the_schema_does_not_know_is_refused_inside_every_supported_element() -> None:
    careless = set()
    for (outer, inner), answers in asked().elements.items():
        path = next((p for p, a in answers.items() if a.verdict == SUPPORTED), None)
        if path is None:
            continue
        root, node = build((*path, inner))
        node.set("nonsense", "1")
        of = types().get(inner.type)  # what is text alone has no attributes to overlook
        if of and not of.text and ask(root, node).verdict != REFUSED:
            careless.add(f"{outer.name}/{inner.name}, attribute")
        root, node = build((*path, inner))
        etree.SubElement(node, "Nonsense")
        if ask(root, node).verdict != REFUSED:
            careless.add(f"{outer.name}/{inner.name}, element")
    assert not sorted(careless)


def test_what_is_asked_keeps_the_schema(tmp_path: Path) -> None:
    schema = schema_path()
    assert schema
    wrong = {}
    for (outer, inner), answers in asked().elements.items():
        root, _ = build((*next(iter(answers)), inner))
        file = tmp_path / "asked.xml"
        file.write_bytes(etree.tostring(root))
        if found := violations(file, schema):
            wrong[f"{outer.name}/{inner.name}"] = found
    assert not wrong


@pytest.fixture(scope="module")
def tried() -> set[str]:
    """Elements in databases that both decoders are tried on, or in unit tests."""
    found: set[str] = set()
    for seed in range(150):
        found |= set(re.findall(r"<(\w+)", Draw(random.Random(seed)).database().xml))
    for path in (PROJECT / "tests" / "unit").rglob("test_*.py"):
        found |= set(re.findall(r"<(\w+)", path.read_text()))
    return found


def test_every_supported_element_is_tried(tried: set[str]) -> None:
    supported = {pair[1].name for pair in asked().elements if asked().supported(pair)}
    assert not sorted(supported - tried)
