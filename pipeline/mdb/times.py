"""XTCE absolute and relative times: scaled counts, and CCSDS time codes in binary fields."""

from __future__ import annotations

import re
from fractions import Fraction

from pipeline.mdb.alarms import read_alarm
from pipeline.mdb.describe import describe
from pipeline.mdb.encodings import ENCODINGS, read_encoding
from pipeline.mdb.epochs import CONTINUOUS, parse_epoch
from pipeline.mdb.leap_seconds import tai_of
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import (
    BinaryEncoding,
    FloatEncoding,
    IntegerEncoding,
    ParameterType,
    SegmentedTime,
    TimeEncoding,
)

_UNITS = {  # ns
    "seconds": Fraction(10**9),
    "picoSeconds": Fraction(1, 1000),
    "days": Fraction(86400 * 10**9),
}
STANDARD = "CCSDS 301.0-B"
_CODE = re.compile(r"(CUC|CDS) (\d)\+(\d)(?: P=([0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}))?")
# a number that a time could have: 40 characters, two of them its power of ten
_SHORT = re.compile(r"(?=.{1,40}$)[^eE]*([eE][+-]?[0-9]{1,2})?")
_HOW = (
    f'say <FromBinaryTransformAlgorithm name="…"><AlgorithmText language="{STANDARD}">'
    "CUC 4+3</AlgorithmText> (octets of seconds and fraction), or CDS 2+2 (octets of days and of "
    "the part below a millisecond), with P=HH where the P-field stands before it."
)


def read_time(element: Element, scope: Scope) -> ParameterType:
    """AbsoluteTimeParameterType, or RelativeTimeParameterType (kind "duration")."""
    element.only_attributes("baseType", "initialValue")
    absolute = element.tag == "AbsoluteTimeParameterType"
    alarms = () if absolute else ("DefaultAlarm", "ContextAlarmList")
    parts = {c.tag: c for c in element.children("Encoding", "ReferenceTime", *alarms)}
    if "Encoding" not in parts:  # a time that is in no packet: a container with it is refused
        kind = "time" if absolute else "duration"
        alarm = read_alarm(element, parts, scope)
        return ParameterType(element.name, kind, None, "s", alarm=alarm)
    scaled = parts["Encoding"]
    scaled.only_attributes("units", "scale", "offset")
    one = scaled.the(*ENCODINGS)
    encoded = read_encoding(one, scope)
    if encoded.calibrator or encoded.contexts:
        raise one.refuse("a calibrator inside a time is not supported; use scale and offset.")
    unit = _UNITS[scaled.choice("units", "seconds", *_UNITS)]
    slope, offset = _fraction(scaled, "scale", "1") * unit, _fraction(scaled, "offset", "0") * unit
    segmented = None
    if isinstance(encoded.encoding, BinaryEncoding):
        segmented = _segmented(one, encoded.encoding)
        if slope != 10**9 or offset != 0:
            raise scaled.refuse("a CCSDS time code has units of its own: no scale, no offset.")
        unit_ns = Fraction(10**9) if segmented.code == "CUC" else Fraction(86400 * 10**9)
        slope = unit_ns
    elif not isinstance(encoded.encoding, IntegerEncoding | FloatEncoding):
        raise one.refuse("a time in a string is not supported.")
    elif encoded.encoding.bits > 64:
        raise one.refuse("a time of more than 64 bits; take a CCSDS time code.")
    epoch, continuous, origin = _origin(element, parts.get("ReferenceTime"), scope, absolute)
    if segmented and segmented.code == "CUC" and absolute and not (continuous or origin):
        # CUC counts SI seconds from its epoch: leap seconds do not apply (301.0-B, 3.2.1)
        epoch, continuous = tai_of(epoch), True
    if segmented and segmented.code == "CDS" and continuous:
        raise element.refuse("CDS counts days of UTC (301.0-B, 3.3.1); give its epoch as a date.")
    time = TimeEncoding(epoch + round(offset), slope, continuous, segmented, origin)
    kind = "time" if absolute else "duration"
    alarm = read_alarm(element, parts, scope)
    return ParameterType(element.name, kind, encoded.encoding, "s", alarm=alarm, time=time)


def _origin(
    element: Element, reference: Element | None, scope: Scope, absolute: bool
) -> tuple[int, bool, str]:
    """(epoch in ns, on a continuous scale, parameter that it is an offset from)."""
    if reference is None:
        if absolute:
            raise element.refuse("needs a ReferenceTime.")
        return 0, False, ""
    one = reference.the("Epoch", "OffsetFrom")
    if one.tag == "Epoch":
        if not absolute:
            return 0, False, ""  # a duration's epoch is documentation only
        if one.text == "UNIX":
            return 0, False, ""
        if one.text in CONTINUOUS:
            return CONTINUOUS[one.text], True, ""
        try:
            return parse_epoch(one.text), False, ""
        except ValueError:
            raise one.refuse(
                f"epoch {one.text!r} is neither an ISO date in UTC nor UNIX, "
                f"{', '.join(CONTINUOUS)}."
            ) from None
    origin = scope.reference(one)
    kind = describe(scope, one, origin).kind
    if absolute and kind != "AbsoluteTime":
        raise one.refuse(f"{origin.parameter} is no absolute time.")
    return 0, False, origin.parameter if absolute else ""


def _segmented(element: Element, encoding: BinaryEncoding) -> SegmentedTime:
    """The CCSDS time code that a transform algorithm names."""
    algorithms = element.find("FromBinaryTransformAlgorithm")
    if len(algorithms) != 1:
        raise element.refuse("a binary time needs to be told how it is built:", _HOW)
    algorithms[0].only_attributes()
    text = algorithms[0].the("AlgorithmText")
    text.only_attributes("language")
    if text.attribute("language", "pseudo") != STANDARD:
        raise element.refuse("a binary time needs to be told how it is built:", _HOW)
    match = _CODE.fullmatch(text.text)
    if not match:
        raise text.refuse(f"{text.text!r} is no time code:", _HOW)
    code, major, minor = match.group(1), int(match.group(2)), int(match.group(3))
    if code == "CUC" and not (1 <= major <= 4 and 0 <= minor <= 6):
        raise text.refuse("CUC has 1 to 4 octets of seconds and 0 to 6 of their fraction.")
    if code == "CDS" and not (major in (2, 3) and minor in (0, 2, 4)):
        raise text.refuse("CDS has 2 or 3 octets of days, and 0, 2 or 4 below a millisecond.")
    time = SegmentedTime(code, major, minor, bytes.fromhex(match.group(4) or ""))
    if encoding.bits != 8 * time.octets:
        raise element.refuse(f"{text.text} takes {8 * time.octets} bits, not {encoding.bits}.")
    return time


def _fraction(element: Element, name: str, default: str) -> Fraction:
    text = element.attribute(name, default)
    if _SHORT.fullmatch(text):  # 1e999999999 would fill the memory before anything could refuse it
        try:
            value = Fraction(text)
        except (ValueError, ZeroDivisionError):
            pass
        else:
            if abs(value) < 10**30 and value.denominator < 10**40:
                return value
    raise element.refuse(f"{name} is not a number that a time could have.")
