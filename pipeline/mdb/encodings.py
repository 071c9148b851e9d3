"""XTCE data encodings and calibrators (XTCE 1.2, DataEncodingType and CalibratorType)."""

from __future__ import annotations

from pipeline.mdb.xml import Element
from schemas.mission import BinaryEncoding, Encoding, FloatEncoding, IntegerEncoding

ENCODINGS = ("IntegerDataEncoding", "FloatDataEncoding", "BinaryDataEncoding")
_BYTE_ORDERS = ("mostSignificantByteFirst", "leastSignificantByteFirst")


def read_encoding(element: Element) -> tuple[Encoding, tuple[float, ...]]:
    """Encoding and polynomial calibrator (coefficients by rising exponent) of one element."""
    if element.tag == "BinaryDataEncoding":
        return _binary(element), ()
    element.only_attributes("sizeInBits", "encoding", "byteOrder", "bitOrder")
    element.choice("bitOrder", "mostSignificantBitFirst", "mostSignificantBitFirst")
    little = element.choice("byteOrder", _BYTE_ORDERS[0], *_BYTE_ORDERS) == _BYTE_ORDERS[1]
    calibrator = _calibrator(element.child("DefaultCalibrator", required=False))
    encoding = _integer if element.tag == "IntegerDataEncoding" else _float
    return encoding(element, little), calibrator


def _integer(element: Element, little: bool) -> IntegerEncoding:
    bits = element.integer("sizeInBits", "8")
    word = element.choice(
        "encoding", "unsigned", "unsigned", "twosComplement", "twosCompliment"
    )  # the second spelling stands in databases written for XTCE 1.0
    if not 1 <= bits <= 64:
        raise element.refuse(f"integers of {bits} bits are not supported (1 to 64).")
    if little and bits % 8:
        raise element.refuse("least significant byte first needs a whole number of bytes.")
    return IntegerEncoding(bits, word != "unsigned", little)


def _float(element: Element, little: bool) -> FloatEncoding:
    bits = element.integer("sizeInBits", "32")
    # 1.2 spells it IEEE754_1985, later and real databases IEEE754: one format
    element.choice("encoding", "IEEE754_1985", "IEEE754_1985", "IEEE754")
    if bits not in (32, 64):
        raise element.refuse(f"floats of {bits} bits are not supported (32, 64).")
    return FloatEncoding(bits, little)


def _binary(element: Element) -> BinaryEncoding:
    element.only_attributes()
    size = element.the("SizeInBits").the("FixedValue")
    try:
        bits = int(size.text)
    except ValueError:
        raise size.refuse(f"{size.text!r} is not a number of bits.") from None
    if not 1 <= bits <= 8 * 65536:
        raise size.refuse(f"a field of {bits} bits fits no packet.")
    return BinaryEncoding(bits)


def _calibrator(element: Element | None) -> tuple[float, ...]:
    if element is None:
        return ()
    coefficients: dict[int, float] = {}
    for term in element.the("PolynomialCalibrator").children("Term"):
        term.only_attributes("coefficient", "exponent")
        exponent = term.integer("exponent")
        if not 0 <= exponent <= 15:
            raise term.refuse(f"exponent {exponent} is not supported (0 to 15).")
        coefficients[exponent] = coefficients.get(exponent, 0.0) + term.number("coefficient")
    if not coefficients:
        raise element.refuse("a polynomial without terms.")
    return tuple(coefficients.get(i, 0.0) for i in range(max(coefficients) + 1))
