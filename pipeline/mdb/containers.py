"""XTCE sequence containers: entries, inheritance, restriction criteria."""

from __future__ import annotations

from pipeline.mdb.criteria import ALWAYS, MATCHES, read_criteria, read_value
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import Container, Criteria, Entry, IntegerValue

_REFUSED = {
    "IndirectParameterRefEntry": "a packet names the parameter that stands in it",
    "ParameterSegmentRefEntry": "a parameter stands in several packets",
    "ContainerSegmentRefEntry": "a container stands in several packets",
    "StreamSegmentEntry": "a part of a stream stands in it",
}
_ENTRIES = ("ParameterRefEntry", "ArrayParameterRefEntry", "ContainerRefEntry")
# for people and for schedulers: not needed to decode
_PASSED_OVER = ("DefaultRateInStream", "RateInStreamSet")


def read_container(element: Element, scope: Scope) -> Container:
    """One SequenceContainer; whether containers go in circles is checked by the caller."""
    element.only_attributes("abstract", "idlePattern")
    parts = {c.tag: c for c in element.children("EntryList", "BaseContainer", *_PASSED_OVER)}
    if "EntryList" not in parts:
        raise element.refuse("needs an EntryList.")
    base: str | None = None
    restriction: Criteria = ALWAYS
    if "BaseContainer" in parts:
        base, restriction = _base(parts["BaseContainer"], scope)
    key = scope.key(element.name)
    return Container(
        key,
        scope.qualified(key),
        element.flag("abstract", "false"),
        base,
        restriction,
        tuple(_entry(e, scope) for e in parts["EntryList"].children(*_ENTRIES, *_REFUSED)),
    )


def _base(element: Element, scope: Scope) -> tuple[str, Criteria]:
    element.only_attributes("containerRef")
    criteria = element.child("RestrictionCriteria", required=False)
    key = scope.the("container", element, "containerRef")
    return key, ALWAYS if criteria is None else read_criteria(criteria, scope)


def _entry(element: Element, scope: Scope) -> Entry:
    if why := _REFUSED.get(element.tag):
        raise element.refuse(f"not supported (XTCE 1.2, {element.tag}Type): {why}.")
    container = element.tag == "ContainerRefEntry"
    element.only_attributes("containerRef" if container else "parameterRef")
    if container:
        name = scope.the("container", element, "containerRef")
    else:
        name = scope.parameter(element)
        if name != name.split(".")[0].split("[")[0]:
            raise element.refuse("an entry is a whole parameter, no member of one.")
    parts = {
        c.tag: c
        for c in element.children(
            "LocationInContainerInBits", "IncludeCondition", "RepeatEntry", "TimeAssociation"
        )
    }
    if "TimeAssociation" in parts:
        told = "passed over: all values of a packet have its time."
        scope.names.notes.append(parts["TimeAssociation"].tell(told))
    location = parts.get("LocationInContainerInBits")
    include, repeat = parts.get("IncludeCondition"), parts.get("RepeatEntry")
    return Entry(
        "container" if container else "parameter",
        name,
        _location(location, scope) if location else None,
        _include(include, scope) if include else None,
        _repeat(repeat, scope) if repeat else None,
    )


def _include(element: Element, scope: Scope) -> Criteria:
    element.child(*MATCHES)
    return read_criteria(element, scope)


def _location(element: Element, scope: Scope) -> tuple[str, IntegerValue]:
    element.only_attributes("referenceLocation")
    anchor = element.choice("referenceLocation", "previousEntry", "previousEntry", "containerStart")
    return anchor, read_value(element, scope)


def _repeat(element: Element, scope: Scope) -> tuple[IntegerValue, IntegerValue]:
    parts = {c.tag: c for c in element.children("Count", "Offset")}
    if "Count" not in parts:
        raise element.refuse("needs a Count.")
    count = read_value(parts["Count"], scope)
    if isinstance(count, int) and not 0 <= count < 65536:
        raise element.refuse(f"{count} repetitions are not supported (0 to 65535).")
    return count, read_value(parts["Offset"], scope) if "Offset" in parts else 0
