"""XTCE parameter types: which bits, which values, which unit."""

from __future__ import annotations

from pipeline.mdb.alarms import bounds, read_alarm
from pipeline.mdb.criteria import read_value
from pipeline.mdb.describe import boolean_labels, extend, labels_of
from pipeline.mdb.encodings import ENCODINGS, Encoded, read_encoding
from pipeline.mdb.names import Scope
from pipeline.mdb.times import read_time
from pipeline.mdb.xml import Element
from schemas.mission import (
    BinaryEncoding,
    FloatEncoding,
    IntegerEncoding,
    ParameterType,
    StringEncoding,
)

TYPES = tuple(
    f"{kind}ParameterType"
    for kind in (
        "Integer", "Float", "Boolean", "Enumerated", "String", "Binary", "AbsoluteTime",
        "RelativeTime", "Aggregate", "Array",
    )
)  # fmt: skip
MAX_DEPTH = 16
MAX_PARTS = 65536  # of an aggregate, with all that is inside it
_ANYONES = ("baseType", "initialValue")


def read_type(element: Element, scope: Scope, depth: int = 0) -> ParameterType:
    """One child of ParameterTypeSet. MissionError for what is not supported."""
    if depth > MAX_DEPTH:
        raise element.refuse(f"aggregates and arrays nested deeper than {MAX_DEPTH}.")
    element = extend(element, scope)
    if element.tag == "AggregateParameterType":
        return _aggregate(element, scope, depth)
    if element.tag == "ArrayParameterType":
        return _array(element, scope, depth)
    if element.tag in ("AbsoluteTimeParameterType", "RelativeTimeParameterType"):
        return read_time(element, scope)
    return _READERS[element.tag](element, scope)


def _parts(element: Element, *more: str) -> dict[str, Element]:
    return {c.tag: c for c in element.children("UnitSet", "DefaultAlarm", *ENCODINGS, *more)}


def _numeric(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes("signed", "sizeInBits", *_ANYONES)
    parts = _parts(element, "ValidRange", "ToString", "ContextAlarmList")
    encoded = _encoding(element, parts, scope, IntegerEncoding, FloatEncoding)
    kind = "integer" if element.tag == "IntegerParameterType" else "float"
    return ParameterType(
        element.name,
        kind,
        encoded.encoding if encoded else None,
        _unit(parts),
        encoded.calibrator if encoded else None,
        encoded.contexts if encoded else (),
        alarm=read_alarm(parts),
        valid=_valid(parts["ValidRange"]) if "ValidRange" in parts else None,
    )


def _boolean(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes("zeroStringValue", "oneStringValue", *_ANYONES)
    parts = _parts(element)
    encoding = _plain(element, parts, scope)
    labels = boolean_labels(element)
    return ParameterType(element.name, "boolean", encoding, _unit(parts), labels=labels)


def _enumerated(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes(*_ANYONES)
    parts = _parts(element, "EnumerationList")
    encoding = _plain(element, parts, scope)
    labels = labels_of(element)
    return ParameterType(element.name, "enumerated", encoding, _unit(parts), labels=labels)


def _plain(element: Element, parts: dict[str, Element], scope: Scope) -> IntegerEncoding | None:
    encoded = _encoding(element, parts, scope, IntegerEncoding)
    if encoded is None:
        return None
    if encoded.calibrator or encoded.contexts:
        raise element.refuse("labels belong to raw values: a calibrator here is not supported.")
    assert isinstance(encoded.encoding, IntegerEncoding)
    if encoded.encoding.bits > 64:
        raise element.refuse("more than 64 bits for labels.")
    return encoded.encoding


def _string(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes("restrictionPattern", "characterWidth", *_ANYONES)
    parts = _parts(element, "SizeRangeInCharacters")
    encoded = _encoding(element, parts, scope, StringEncoding)
    for what in ("SizeRangeInCharacters",):
        if what in parts:
            raise parts[what].refuse("is not checked, so it is not supported.")
    if element.has("restrictionPattern"):
        raise element.refuse("restrictionPattern is not checked, so it is not supported.")
    return ParameterType(
        element.name, "string", encoded.encoding if encoded else None, _unit(parts)
    )


def _binary(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes(*_ANYONES)
    parts = _parts(element)
    encoded = _encoding(element, parts, scope, BinaryEncoding)
    for tag in ENCODINGS:
        for algorithm in parts[tag].find("FromBinaryTransformAlgorithm") if tag in parts else ():
            raise algorithm.refuse("a transform of a binary is supported for times alone.")
    return ParameterType(
        element.name, "binary", encoded.encoding if encoded else None, _unit(parts)
    )


_READERS = {
    "IntegerParameterType": _numeric,
    "FloatParameterType": _numeric,
    "BooleanParameterType": _boolean,
    "EnumeratedParameterType": _enumerated,
    "StringParameterType": _string,
    "BinaryParameterType": _binary,
}


def _aggregate(element: Element, scope: Scope, depth: int) -> ParameterType:
    element.only_attributes()
    members: dict[str, ParameterType] = {}
    for item in element.the("MemberList").children("Member"):
        item.only_attributes("typeRef", "initialValue")
        if item.name in members:
            raise item.refuse("a second member of this name.")
        members[item.name] = _inner(item, "typeRef", scope, depth)
    if not members:
        raise element.refuse("an aggregate without members.")
    return ParameterType(element.name, "aggregate", members=tuple(members.items()))


def _inner(element: Element, attribute: str, scope: Scope, depth: int) -> ParameterType:
    """Type of a member or element. Read once: twelve aggregates of eight could say 8^12 members."""
    names, key = scope.names, scope.the("parameter type", element, attribute)
    if key not in names.read:
        names.read[key] = read_type(*names.items["parameter type"][key], depth + 1)
    inner, parts = _size(names.read[key], names.sizes)
    if depth + 1 + inner > MAX_DEPTH:
        raise element.refuse(f"aggregates and arrays nested deeper than {MAX_DEPTH}.")
    if parts > MAX_PARTS:
        raise element.refuse(f"comes to more than {MAX_PARTS} members.")
    return names.read[key]


def _size(of: ParameterType, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(how deep, how many parts): by identity, since one type may stand in many places."""
    if id(of) not in known:
        inside = [t for _, t in of.members] + ([of.element] if of.element else [])
        sizes = [_size(t, known) for t in inside]
        depth = 1 + max((d for d, _ in sizes), default=-1)
        known[id(of)] = depth, 1 + sum(n for _, n in sizes)
    return known[id(of)]


def _array(element: Element, scope: Scope, depth: int) -> ParameterType:
    element.only_attributes("arrayTypeRef", "numberOfDimensions")
    dimensions = []
    for item in element.the("DimensionList").children("Dimension"):
        parts = {c.tag: c for c in item.children("StartingIndex", "EndingIndex")}
        if len(parts) != 2:
            raise item.refuse("needs a StartingIndex and an EndingIndex.")
        first = read_value(parts["StartingIndex"], scope)
        last = read_value(parts["EndingIndex"], scope)
        if not isinstance(first, int) or first < 0:
            raise item.refuse("a StartingIndex is a fixed value of 0 or more.")
        if isinstance(last, int) and not 0 <= last - first < 65536:
            raise item.refuse(f"from {first} to {last} there are no elements, or too many.")
        dimensions.append((first, last))
    if not dimensions:
        raise element.refuse("an array without dimensions.")
    of = _inner(element, "arrayTypeRef", scope, depth)
    return ParameterType(element.name, "array", element=of, dimensions=tuple(dimensions))


def _encoding(
    element: Element, parts: dict[str, Element], scope: Scope, *allowed: type
) -> Encoded | None:
    """The one data encoding; None of a parameter that is not telemetered."""
    found = [parts[tag] for tag in ENCODINGS if tag in parts]
    if not found:
        return None
    if len(found) > 1:
        raise element.refuse(f"has {len(found)} data encodings.")
    encoded = read_encoding(found[0], scope)
    if not isinstance(encoded.encoding, allowed):
        raise found[0].refuse(f"not supported inside <{element.tag}>.")
    return encoded


def _unit(parts: dict[str, Element]) -> str:
    if "UnitSet" not in parts:
        return ""
    words = []
    for unit in parts["UnitSet"].children("Unit"):
        unit.only_attributes("description", "power", "factor", "form")
        power = unit.attribute("power", "1")
        words.append(unit.text if power in ("1", "1.0") else f"{unit.text}^{power}")
    return " ".join(words)


def _valid(element: Element) -> tuple[float, float, bool]:
    """ValidRange: outside it a value is invalid."""
    low, high = bounds(element, "validRangeAppliesToCalibrated")
    return low, high, element.flag("validRangeAppliesToCalibrated", "true")
