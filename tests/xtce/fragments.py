"""Builds the smallest database that holds an element, out of the schema and a few references."""

from __future__ import annotations

from lxml import etree

from tests.xtce.schema import NAMESPACE, Attribute, Child, Group, types

_T = '<{0}ParameterType name="{1}"><UnitSet/>{2}</{0}ParameterType>'
INT8 = '<IntegerDataEncoding sizeInBits="8"/>'
_TIME = f"<Encoding>{INT8}</Encoding><ReferenceTime><Epoch>TAI</Epoch></ReferenceTime>"
# what references lead to; one type of each kind, for baseType
SKELETON = (
    f'<SpaceSystem xmlns="{NAMESPACE}" name="S"><TelemetryMetaData><ParameterTypeSet>'
    + _T.format("Integer", "Integer", INT8)
    + _T.format("Float", "Float", "<FloatDataEncoding/>")
    + _T.format("Boolean", "Boolean", INT8)
    + _T.format(
        "Enumerated",
        "Enumerated",
        INT8 + '<EnumerationList><Enumeration value="1" label="L"/></EnumerationList>',
    )
    + _T.format(
        "String",
        "String",
        "<StringDataEncoding><SizeInBits><Fixed><FixedValue>8</FixedValue></Fixed></SizeInBits></StringDataEncoding>",
    )
    + _T.format(
        "Binary",
        "Binary",
        "<BinaryDataEncoding><SizeInBits><FixedValue>8</FixedValue></SizeInBits></BinaryDataEncoding>",
    )
    + _T.format("AbsoluteTime", "AbsoluteTime", _TIME).replace("<UnitSet/>", "")
    + _T.format("RelativeTime", "RelativeTime", _TIME).replace("<UnitSet/>", "")
    + _T.format("Integer", "Local", "").replace("><UnitSet/>", ">")
    + '</ParameterTypeSet><ParameterSet><Parameter name="P" parameterTypeRef="Integer"/>'
    '<Parameter name="LABELLED" parameterTypeRef="Enumerated"/>'
    '<Parameter name="WHEN" parameterTypeRef="AbsoluteTime"/>'
    '<Parameter name="COMPUTED" parameterTypeRef="Local"/></ParameterSet>'
    '<ContainerSet><SequenceContainer name="C"><EntryList><ParameterRefEntry parameterRef="P"/>'
    '<ParameterRefEntry parameterRef="WHEN"/></EntryList></SequenceContainer></ContainerSet>'
    "</TelemetryMetaData></SpaceSystem>"
)
ROOT_CONTAINER = "C"
# sets that stand in the skeleton already: what is asked about is put into them
_SHARED = ("TelemetryMetaData", "ParameterTypeSet", "ParameterSet", "ContainerSet")
_VALUES = {
    "parameterRef": "P", "containerRef": "C", "typeRef": "Integer", "arrayTypeRef": "Integer",
    "parameterTypeRef": "Integer", "outputParameterRef": "COMPUTED", "name": "NEW",
    "value": "1", "raw": "7", "coefficient": "2", "exponent": "1", "sizeInBits": "32",
    "maxSizeInBits": "64", "constantName": "K", "label": "L", "enumerationLabel": "L",
    "alarmLevel": "warning", "matchPattern": "A.*", "minInclusive": "1", "maxInclusive": "9",
    "minExclusive": "1", "maxExclusive": "9", "defaultAlarmLevel": "watch", "level": "warning",
    "zeroStringValue": "OFF", "oneStringValue": "ON", "initialValue": "1", "slope": "8",
}  # fmt: skip
_REFERENCES = {"OutputParameterRef": "COMPUTED", "OffsetFrom": "WHEN"}  # others lead to P
_BY_TYPE = {
    "boolean": "true", "duration": "PT1S", "dateTime": "2000-01-01T00:00:00", "anyURI": "a",
    "NameReferenceType": "C", "double": "1", "hexBinary": "00", "FixedIntegerValueType": "1",
    "RelativeTimeType": "PT1S", "NameType": "N", "ByteOrderType": "mostSignificantByteFirst",
}  # fmt: skip
_TEXTS = {
    "FixedValue": "8", "Operator": "abs", "ComparisonOperator": "==", "Epoch": "TAI",
    "Value": "1", "ValueOperand": "1", "AlgorithmText": "1 + 1", "TerminationChar": "00",
    "Unit": "V", "ThisParameterOperand": "", "Polynomial": "01",
}  # fmt: skip
# where the schema lets a type be too empty to mean anything
_MORE_ATTRIBUTES = {
    "FloatRangeType": ("minInclusive", "maxInclusive"),
    "MultiRangeType": ("minInclusive", "maxInclusive"),
    "ConstantType": ("constantName",),
}
_MORE_CHILDREN: dict[str, tuple[str, ...]] = {
    "AlarmRangesType": ("WarningRange",), "ChangeAlarmRangesType": ("WarningRange",),
    "TimeAlarmRangesType": ("WarningRange",), "InputAlgorithmType": ("AlgorithmText",),
    "InputOutputTriggerAlgorithmType": ("AlgorithmText", "OutputSet"),
    "AbsoluteTimeParameterType": ("Encoding", "ReferenceTime"),
    "RelativeTimeParameterType": ("Encoding",), "NumericAlarmType": ("StaticAlarmRanges",),
    "NumericContextAlarmType": ("StaticAlarmRanges",), "TimeAlarmType": ("StaticAlarmRanges",),
    "TimeContextAlarmType": ("StaticAlarmRanges",), "EncodingType": ("IntegerDataEncoding",),
    "StringAlarmType": ("StringAlarmList",), "StringContextAlarmType": ("StringAlarmList",),
    "EnumerationAlarmType": ("EnumerationAlarmList",),
    "EnumerationContextAlarmType": ("EnumerationAlarmList",),
    "ReferenceTimeType": ("Epoch",),
}  # fmt: skip


def build(path: tuple[Child, ...]) -> tuple[etree._Element, etree._Element]:
    """(root of the database, the element at the end of the path) for a path below SpaceSystem."""
    root = etree.fromstring(SKELETON)
    here, owner = root, "SpaceSystemType"
    rest = path
    while rest and rest[0].name in _SHARED:
        found = here.find(f"{{{NAMESPACE}}}{rest[0].name}")
        assert found is not None
        here, owner, rest = found, rest[0].type, rest[1:]
    if rest:
        here = _append(here, owner, rest, path)
    return root, here


def _append(
    parent: etree._Element, owner: str, rest: tuple[Child, ...], path: tuple[Child, ...]
) -> etree._Element:
    """Put an element where the schema's order has it."""
    made, end = _element(rest, path)
    order = [c.name for c in types()[owner].content.children()]
    before = order[: order.index(rest[0].name) + 1]
    at = sum(etree.QName(n).localname in before for n in parent)
    parent.insert(at, made)
    return end


def _element(
    rest: tuple[Child, ...], path: tuple[Child, ...]
) -> tuple[etree._Element, etree._Element]:
    """The first of `rest`, holding the others; and the last of them."""
    child, inner = rest[0], rest[1:]
    node = etree.Element(f"{{{NAMESPACE}}}{child.name}")
    of = types().get(child.type)
    if of is None or of.text:
        node.text = _TEXTS.get(child.name, "1")
    end = node
    if of is not None:
        for attribute in of.attributes.values():
            if attribute.required or attribute.name in _MORE_ATTRIBUTES.get(of.name, ()):
                node.set(attribute.name, value(attribute, child.name))
        wanted = inner[0].name if inner else None
        for part in _content(of.content, wanted, _MORE_CHILDREN.get(of.name, ())):
            if part.name == wanted:
                made, end = _element(inner, path)
                wanted = None
            else:
                made, _ = _element((part,), path)
            node.append(made)
    _mend(node, child, path)
    return node, end


def _content(group: Group, wanted: str | None, more: tuple[str, ...]) -> list[Child]:
    """The fewest children that the schema asks for, among them the wanted one."""
    chosen: list[Child] = []
    parts = list(group.parts)
    if not group.least and not _names(group) & {wanted, *more}:
        return chosen
    if group.choice:
        with_it = [p for p in parts if wanted in _names(p)]
        with_it += [p for p in parts if _names(p) & set(more)]
        parts = (with_it or parts)[:1] if with_it or group.least else []
        return [c for p in parts for c in _one(p, wanted, more)] * max(group.least, 1)
    for part in parts:
        chosen += _one(part, wanted, more)
    return chosen


def _one(part: Child | Group, wanted: str | None, more: tuple[str, ...]) -> list[Child]:
    if isinstance(part, Group):
        return _content(part, wanted, more)
    if part.name in (wanted, *more):
        return [part] * max(part.least, 1)
    return [part] * part.least


def _names(part: Child | Group) -> set[str | None]:
    return {part.name} if isinstance(part, Child) else {c.name for c in part.children()}


def value(attribute: Attribute, element: str) -> str:
    """A value that means something there."""
    if attribute.name == "parameterRef" and element in _REFERENCES:
        return _REFERENCES[element]
    if attribute.values:
        return attribute.values[0]
    return _VALUES.get(attribute.name, _BY_TYPE.get(attribute.type, "1"))


def _mend(node: etree._Element, child: Child, path: tuple[Child, ...]) -> None:
    """What the schema cannot say: points differ, operators have operands, times have a code."""
    if child.name == "SplineCalibrator":
        for i, point in enumerate(node.findall(f"{{{NAMESPACE}}}SplinePoint")):
            point.set("raw", str(i))
    elif child.type in ("MathOperationCalibratorType", "TriggeredMathOperationType"):
        operators = node.findall(f"{{{NAMESPACE}}}Operator")
        if operators:
            operators[0].addprevious(_text("ValueOperand", "1"))
        if all(etree.QName(n).localname == "AncillaryDataSet" for n in node):
            node.append(_text("ValueOperand", "1"))
    elif child.name == "AlgorithmText":
        inside = [c.name for c in path]
        time = "Encoding" in inside and "FromBinaryTransformAlgorithm" in inside
        node.set("language", "CCSDS 301.0-B" if time else "heartline")
        if time:
            node.text = "CUC 1+0"
    elif child.type == "EncodingType":
        for binary in node.findall(f"{{{NAMESPACE}}}BinaryDataEncoding"):
            _time_code(binary)


def _time_code(binary: etree._Element) -> None:
    """A binary time that is not told how it is built means nothing."""
    tag = f"{{{NAMESPACE}}}FromBinaryTransformAlgorithm"
    if binary.find(tag) is None:
        size = binary.find(f"{{{NAMESPACE}}}SizeInBits")
        assert size is not None
        algorithm = etree.Element(tag, name="NEW")
        text = _text("AlgorithmText", "CUC 1+0")
        text.set("language", "CCSDS 301.0-B")
        algorithm.append(text)
        size.addnext(algorithm)


def _text(name: str, text: str) -> etree._Element:
    node = etree.Element(f"{{{NAMESPACE}}}{name}")
    node.text = text
    return node
