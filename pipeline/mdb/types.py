"""XTCE parameter types: which bits, which values, which unit."""

from __future__ import annotations

from pipeline.errors import FloodError
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
MAX_MEMBERS = 4096  # of an aggregate, with the members of its members
_UNCHECKED = "is not checked, so it is not supported"
_ANYONES = ("baseType", "initialValue")
_ALARMS = ("DefaultAlarm", "ContextAlarmList")


def read_type(element: Element, scope: Scope, depth: int = 0) -> ParameterType:
    """One child of ParameterTypeSet. MissionError for what is not supported."""
    if depth > MAX_DEPTH:
        raise FloodError(element.tell(f"aggregates and arrays nested deeper than {MAX_DEPTH}."))
    element = extend(element, scope)
    if element.tag == "AggregateParameterType":
        return _aggregate(element, scope, depth)
    if element.tag == "ArrayParameterType":
        return _array(element, scope, depth)
    if element.tag in ("AbsoluteTimeParameterType", "RelativeTimeParameterType"):
        return read_time(element, scope)
    return _READERS[element.tag](element, scope)


def _parts(element: Element, *more: str) -> dict[str, Element]:
    return {c.tag: c for c in element.children("UnitSet", *ENCODINGS, *more)}


def _numeric(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes("signed", "sizeInBits", *_ANYONES)
    parts = _parts(element, "ValidRange", "ToString", *_ALARMS)
    encoded = _encoding(element, parts, scope, IntegerEncoding, FloatEncoding, StringEncoding)
    kind = "integer" if element.tag == "IntegerParameterType" else "float"
    return ParameterType(
        element.name,
        kind,
        encoded.encoding if encoded else None,
        _unit(parts),
        encoded.calibrator if encoded else None,
        encoded.contexts if encoded else (),
        alarm=read_alarm(element, parts, scope),
        valid=_valid(parts["ValidRange"]) if "ValidRange" in parts else None,
    )


def _boolean(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes("zeroStringValue", "oneStringValue", *_ANYONES)
    parts = _parts(element, *_ALARMS)
    encoding = _plain(element, parts, scope, StringEncoding)
    labels = boolean_labels(element)
    alarm = read_alarm(element, parts, scope)
    return ParameterType(
        element.name, "boolean", encoding, _unit(parts), labels=labels, alarm=alarm
    )


def _enumerated(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes(*_ANYONES)
    parts = _parts(element, "EnumerationList", *_ALARMS)
    if as_text := _as_text(element, parts, scope):
        return as_text
    encoding = _plain(element, parts, scope)
    labels = labels_of(element)
    alarm = read_alarm(element, parts, scope, labels)
    return ParameterType(
        element.name, "enumerated", encoding, _unit(parts), labels=labels, alarm=alarm
    )


def _as_text(element: Element, parts: dict[str, Element], scope: Scope) -> ParameterType | None:
    """An enumeration that is sent as text is read as that text, with a note: its labels belong to
    numbers, and the standard does not say which text stands for each."""
    if "StringDataEncoding" not in parts:
        return None
    encoded = read_encoding(parts["StringDataEncoding"], scope)
    told = "comes as text and is read as text: no limits, no statistics."
    if element.tell(told) not in scope.names.notes:
        scope.names.notes.append(element.tell(told))
    return ParameterType(element.name, "string", encoded.encoding, _unit(parts))


def _plain(
    element: Element, parts: dict[str, Element], scope: Scope, *more: type
) -> IntegerEncoding | StringEncoding | None:
    encoded = _encoding(element, parts, scope, IntegerEncoding, *more)
    if encoded is None:
        return None
    if isinstance(encoded.encoding, StringEncoding):
        return encoded.encoding
    if encoded.calibrator or encoded.contexts:
        raise element.refuse("labels belong to raw values: a calibrator here is not supported.")
    assert isinstance(encoded.encoding, IntegerEncoding)
    if encoded.encoding.bits > 64:
        raise element.refuse("more than 64 bits for labels.")
    return encoded.encoding


def _string(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes("restrictionPattern", "characterWidth", *_ANYONES)
    parts = _parts(element, "SizeRangeInCharacters", *_ALARMS)
    encoded = _encoding(element, parts, scope, StringEncoding)
    for what in ("SizeRangeInCharacters",):
        if what in parts:
            raise parts[what].refuse(
                "is not checked, so it is not supported (XTCE 1.2, StringDataType)."
            )
    if element.has("restrictionPattern"):
        raise element.refuse(
            "restrictionPattern is not checked, so it is not supported (XTCE 1.2, StringDataType)."
        )
    encoding = encoded.encoding if encoded else None
    charset = encoding.charset if isinstance(encoding, StringEncoding) else "UTF-8"
    alarm = read_alarm(element, parts, scope, charset=charset)
    return ParameterType(element.name, "string", encoding, _unit(parts), alarm=alarm)


def _binary(element: Element, scope: Scope) -> ParameterType:
    element.only_attributes(*_ANYONES)
    parts = _parts(element, "DefaultAlarm", "BinaryContextAlarmList")
    encoded = _encoding(element, parts, scope, BinaryEncoding)
    for tag in ENCODINGS:
        for algorithm in parts[tag].find("FromBinaryTransformAlgorithm") if tag in parts else ():
            raise algorithm.refuse("a transform of a binary is supported for times alone.")
    return ParameterType(
        element.name, "binary", encoded.encoding if encoded else None, _unit(parts),
        alarm=read_alarm(element, parts, scope),
    )  # fmt: skip


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
    count = 0
    for item in element.the("MemberList").children("Member"):
        item.only_attributes("typeRef", "initialValue")
        item.child(required=False)  # holds nothing but documentation
        if item.name in members:
            raise item.refuse("a second member of this name.")
        members[item.name] = read_type(*scope.type_of(item, "typeRef"), depth + 1)
        count += _members(members[item.name])
        if count > MAX_MEMBERS:
            raise FloodError(
                element.tell(f"more than {MAX_MEMBERS} members, counting those inside members.")
            )
    if not members:
        raise element.refuse("an aggregate without members.")
    return ParameterType(element.name, "aggregate", members=tuple(members.items()))


def _members(of: ParameterType) -> int:
    """Number of single values in one value of the type; an array counts as one element."""
    if of.element is not None:
        return _members(of.element)
    return sum(_members(m) for _, m in of.members) or 1


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
    of = read_type(*scope.type_of(element, "arrayTypeRef"), depth + 1)
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
        inside = f"<{element.tag}> (XTCE 1.2, {element.tag}/{found[0].tag})"
        raise found[0].refuse(f"not supported inside {inside}.")
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
