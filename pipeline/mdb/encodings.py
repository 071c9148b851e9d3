"""XTCE data encodings (XTCE 1.2, DataEncodingType)."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.mdb.calibrators import read_calibrator, read_contexts
from pipeline.mdb.criteria import CHARSETS, codec, read_dynamic, read_value
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import (
    BinaryEncoding,
    Calibrator,
    Criteria,
    Encoding,
    FloatEncoding,
    IntegerEncoding,
    IntegerValue,
    StringEncoding,
)

ENCODINGS = (
    "IntegerDataEncoding", "FloatDataEncoding", "BinaryDataEncoding", "StringDataEncoding",
)  # fmt: skip
MAX_FIELD_BITS = 8 * 65536
DUMMY = "_yamcs_ignore"
MAX_INTEGER_BITS = 1024
_BYTE_ORDERS = ("mostSignificantByteFirst", "leastSignificantByteFirst")
_FLOAT_BITS = {"IEEE754": (16, 32, 64), "MILSTD_1750A": (32, 48)}
_CODINGS = ("unsigned", "signMagnitude", "twosComplement", "onesComplement", "BCD", "packedBCD")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A data encoding and the calibrators that turn its raw values into engineering values."""

    encoding: Encoding
    calibrator: Calibrator | None = None
    contexts: tuple[tuple[Criteria, Calibrator], ...] = ()


def read_encoding(element: Element, scope: Scope) -> Encoded:
    """One of ENCODINGS."""
    if element.tag == "BinaryDataEncoding":
        return Encoded(_binary(element, scope))
    if element.tag == "StringDataEncoding":
        return Encoded(_string(element, scope))
    # changeThreshold is for those who send changes alone: it changes no value
    element.only_attributes("sizeInBits", "encoding", "byteOrder", "bitOrder", "changeThreshold")
    parts = {c.tag: c for c in element.children("DefaultCalibrator", "ContextCalibratorList")}
    little = _little(element)
    encoding = _integer if element.tag == "IntegerDataEncoding" else _float
    return Encoded(
        encoding(element, little),
        read_calibrator(parts["DefaultCalibrator"], scope)
        if "DefaultCalibrator" in parts
        else None,
        read_contexts(parts["ContextCalibratorList"], scope)
        if "ContextCalibratorList" in parts
        else (),
    )


def _little(element: Element) -> bool:
    element.choice("bitOrder", "mostSignificantBitFirst", "mostSignificantBitFirst")
    return element.choice("byteOrder", _BYTE_ORDERS[0], *_BYTE_ORDERS) == _BYTE_ORDERS[1]


def _integer(element: Element, little: bool) -> IntegerEncoding:
    bits = element.integer("sizeInBits", "8")
    # "twosCompliment" stands in databases written for XTCE 1.0
    word = element.choice("encoding", "unsigned", *_CODINGS, "twosCompliment")
    word = "twosComplement" if word == "twosCompliment" else word
    most = MAX_INTEGER_BITS if word in ("unsigned", "twosComplement") else 64
    if not 1 <= bits <= most:
        raise element.refuse(f"{word} integers of {bits} bits are not supported (1 to {most}).")
    if little and bits % 8:
        raise element.refuse("least significant byte first needs a whole number of bytes.")
    if (word == "BCD" and bits % 8) or (word == "packedBCD" and bits % 4):
        raise element.refuse(f"{word} has {8 if word == 'BCD' else 4} bits a digit.")
    return IntegerEncoding(bits, word, little)


def _float(element: Element, little: bool) -> FloatEncoding:
    bits = element.integer("sizeInBits", "32")
    # 1.2 spells it IEEE754_1985, later and real databases IEEE754: one format
    word = element.choice("encoding", "IEEE754_1985", "IEEE754_1985", *_FLOAT_BITS)
    word = word.removesuffix("_1985")
    if bits not in _FLOAT_BITS[word]:
        allowed = ", ".join(map(str, _FLOAT_BITS[word]))
        raise element.refuse(f"{word} floats of {bits} bits are not supported ({allowed}).")
    return FloatEncoding(bits, word, little)


def _binary(element: Element, scope: Scope) -> BinaryEncoding:
    element.only_attributes("byteOrder", "bitOrder")
    if _little(element):
        raise element.refuse("a binary has no byte order.")
    parts = {c.tag: c for c in element.children("SizeInBits", "FromBinaryTransformAlgorithm")}
    if "SizeInBits" not in parts:
        raise element.refuse("needs SizeInBits.")
    return BinaryEncoding(_sized(parts["SizeInBits"], read_value(parts["SizeInBits"], scope)))


def _sized(element: Element, bits: IntegerValue) -> IntegerValue:
    if isinstance(bits, int) and not 1 <= bits <= MAX_FIELD_BITS:
        raise element.refuse(f"a field of {bits} bits fits no packet (XTCE 1.2, {element.tag}).")
    return bits


def _string(element: Element, scope: Scope) -> StringEncoding:
    element.only_attributes("encoding", "byteOrder", "bitOrder")
    charset = element.choice("encoding", "UTF-8", *CHARSETS)
    if _little(element):
        raise element.refuse("the byte order of a string is its encoding's: UTF-16LE, UTF-32LE.")
    size = element.the("SizeInBits", "Variable")
    size.only_attributes("maxSizeInBits")
    boxes = ("Fixed",) if size.tag == "SizeInBits" else ("DynamicValue", "DiscreteLookupList")
    parts = {c.tag: c for c in size.children(*boxes, "TerminationChar", "LeadingSize")}
    box: IntegerValue | None = None
    ends = "TerminationChar" in parts or "LeadingSize" in parts
    for tag in boxes:
        if tag in parts and not (ends and _is_dummy(parts[tag], scope)):
            of = parts[tag]
            box = _sized(of, read_value(of, scope) if tag == "Fixed" else read_dynamic(of, scope))
    leading, terminator = 0, b""
    if "LeadingSize" in parts:
        parts["LeadingSize"].only_attributes("sizeInBitsOfSizeTag")
        leading = parts["LeadingSize"].integer("sizeInBitsOfSizeTag", "16")
        if not 1 <= leading <= 32:
            raise parts["LeadingSize"].refuse(f"a size tag of {leading} bits (1 to 32).")
    elif "TerminationChar" in parts:
        terminator = _terminator(parts["TerminationChar"], charset)
    if box is None and not leading and not terminator:
        raise size.refuse("nothing tells how long the string is.")
    return StringEncoding(charset, box, leading, terminator)


def _is_dummy(box: Element, scope: Scope) -> bool:
    """Whether the box refers to Yamcs' dummy parameter. Its databases write one where the content
    marks its own end, because the schema still requires a DynamicValue."""
    names = [r.attribute("parameterRef", "") for r in box.find("ParameterInstanceRef")]
    if names != [DUMMY]:
        return False
    note = box.tell(f"{DUMMY} stands for no parameter: the string's own end tells its size.")
    if note not in scope.names.notes:
        scope.names.notes.append(note)
    return True


def _terminator(element: Element, charset: str) -> bytes:
    """The bytes that end a string: one character of its set."""
    try:
        given = bytes.fromhex(element.text or "00")
    except ValueError:
        raise element.refuse(f"{element.text!r} is not hexadecimal.") from None
    width = character_bytes(charset)
    if given == b"\0":
        return bytes(width)
    if len(given) != width:
        raise element.refuse(f"a character of {charset} has {width} bytes.")
    return given


def character_bytes(charset: str) -> int:
    """Bytes of a code unit of a character set: 1, 2 or 4."""
    return len("\0".encode(codec(charset)))
