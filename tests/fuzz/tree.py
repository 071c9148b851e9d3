"""Damage to an XML tree that leaves it well-formed, so that it gets past the parser."""

from __future__ import annotations

import copy
import random
import re
from functools import cache

from lxml import etree

from tests.conftest import PROJECT
from tests.fuzz.mutate import WORDS


@cache
def words() -> tuple[str, ...]:
    """Every word that the loader knows: its own string literals."""
    texts = [p.read_text() for p in sorted((PROJECT / "pipeline" / "mdb").glob("*.py"))]
    found = {w for text in texts for w in re.findall(r'"([A-Za-z0-9_+\-.]{1,40})"', text)}
    return tuple(sorted(found))


def damage_tree(rnd: random.Random, xml: str, most: int) -> str:
    """One to `most` elements lost, doubled, moved, renamed, or with other attributes."""
    root = etree.fromstring(xml.encode())
    for _ in range(rnd.randint(1, most)):
        nodes = list(root.iter(etree.Element))
        _damage(rnd, rnd.choice(nodes), rnd.choice(nodes))
    return etree.tostring(root, encoding="unicode")


def _damage(rnd: random.Random, node: etree._Element, other: etree._Element) -> None:
    parent, how = node.getparent(), rnd.randrange(9)
    if how <= 2:
        _attribute(rnd, node, other)
    elif how == 3:
        node.tag = (
            rnd.choice([w for w in words() if w.isalpha()]) if rnd.random() < 0.5 else other.tag
        )
    elif how == 4:
        node.text = rnd.choice((rnd.choice(words()), _word(rnd), other.text or ""))
    elif how == 5 and parent is not None:
        parent.remove(node)
    elif how == 6:
        other.insert(rnd.randint(0, len(other)), copy.deepcopy(node))
    elif how == 7 and parent is not None:
        parent.insert(rnd.randint(0, len(parent)), copy.deepcopy(node))
    elif how == 8 and len(other) and parent is not None:
        parent.replace(node, copy.deepcopy(rnd.choice(list(other))))


def _attribute(rnd: random.Random, node: etree._Element, other: etree._Element) -> None:
    names = list(node.attrib) or ["name"]
    name = str(rnd.choice(names))
    how = rnd.randrange(5)
    if how == 0:
        node.attrib.pop(name, None)
    elif how == 1:
        node.set(name, rnd.choice([str(v) for v in other.attrib.values()] or ["0"]))
    elif how == 2:  # an attribute that belongs elsewhere
        node.set(rnd.choice([str(n) for n in other.attrib] or ["value"]), rnd.choice(words()))
    elif how == 3:
        node.set(name, rnd.choice(words()))
    else:
        node.set(name, _word(rnd))


def _word(rnd: random.Random) -> str:
    """A word that XML can hold."""
    return re.sub("[\0-\x1f]", "", rnd.choice(WORDS))
