"""A decoder that reads like the standard: slow, plain, and sharing nothing with the compiled one.

It walks the XML for every packet (XTCE 1.2, OMG formal/2018-10-04), with whole numbers and
fractions of Python. What it does not know raises. The only thing it shares with the product is
the numbers of `Quality` and `Reason`, which are what is compared.
"""

from __future__ import annotations

import math
import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from schemas.columns import Quality, Reason
from tests.reference.formula import evaluate, parse_infix

INVALID, OUTSIDE = int(Quality.INVALID), int(Quality.INVALID | Quality.OUT_OF_RANGE)
MOST_BITS, MOST_ELEMENTS = 8 * 65542, 256
CODECS = {
    "US-ASCII": "ascii", "ISO-8859-1": "latin-1", "Windows-1252": "cp1252", "UTF-8": "utf-8",
    "UTF-16": "utf-16-be", "UTF-16LE": "utf-16-le", "UTF-16BE": "utf-16-be",
    "UTF-32": "utf-32-be", "UTF-32LE": "utf-32-le", "UTF-32BE": "utf-32-be",
}  # fmt: skip
LEAPS = [
    "1972-01",
    "1972-07",
    "1973-01",
    "1974-01",
    "1975-01",
    "1976-01",
    "1977-01",
    "1978-01",
    "1979-01",
    "1980-01",
    "1981-07",
    "1982-07",
    "1983-07",
    "1985-07",
    "1988-01",
    "1990-01",
    "1991-01",
    "1992-07",
    "1993-07",
    "1994-07",
    "1996-01",
    "1997-07",
    "1999-01",
    "2006-01",
    "2009-01",
    "2012-07",
    "2015-07",
    "2017-01",
]


class Refused(Exception):
    """A packet that is no packet of this database, for one of the reasons."""


class NotATime(Exception):
    pass


@dataclass
class Value:
    """number: exact, or None of texts. bits: as they stand in the packet (bytes of wide ones)."""

    number: Any
    eng: float
    quality: int = 0
    bits: Any = None
    text: bytes | None = None
    ns: int | None = None


@dataclass
class Decoded:
    container: str = ""
    reason: int = 0
    time_ns: int = 0
    values: dict[str, Value] = field(default_factory=dict)


def tag(e: ET.Element) -> str:
    return e.tag.rsplit("}", 1)[-1]


def child(e: ET.Element, *tags: str) -> ET.Element | None:
    return next((c for c in e if tag(c) in tags), None)


def below(e: ET.Element | None, name: str) -> list[ET.Element]:
    return [] if e is None else [c for c in e if tag(c) == name]


class ReferenceDecoder:
    def __init__(self, xml: str, root: str = "", trailing: bool = False) -> None:
        system = ET.fromstring(xml)
        self.name, self.trailing = system.get("name", ""), trailing
        self.types: dict[str, tuple[ET.Element, tuple[str, ...]]] = {}
        self.parameters: dict[str, tuple[ET.Element, tuple[str, ...]]] = {}
        self.containers: dict[str, tuple[ET.Element, tuple[str, ...]]] = {}
        self.algorithms: list[tuple[ET.Element, tuple[str, ...]]] = []
        self._collect(system, ())
        self.root = root or self._only_root()
        self.latest: dict[str, Value] = {}

    def _collect(self, system: ET.Element, path: tuple[str, ...]) -> None:
        telemetry = child(system, "TelemetryMetaData")
        for group in telemetry if telemetry is not None else ():
            for item in group:
                key = "/".join((*path, item.get("name", "")))
                place = {"ParameterTypeSet": self.types, "ParameterSet": self.parameters,
                         "ContainerSet": self.containers}.get(tag(group))  # fmt: skip
                if place is None:
                    self.algorithms.append((item, path))
                else:
                    place[key] = (item, path)
        for inner in below(system, "SpaceSystem"):
            self._collect(inner, (*path, inner.get("name", "")))

    def _only_root(self) -> str:
        bases = {self.base_of(k) for k in self.containers}
        (root,) = [k for k in self.containers if self.base_of(k) is None and k in bases]
        return root

    def find(self, table: dict[str, Any], ref: str, path: tuple[str, ...]) -> str:
        """NameReference: absolute, relative, or looked for outwards."""
        last = ref.rsplit("/", 1)[-1]
        tail = last[len(re.split(r"[.\[]", last)[0]) :] if table is self.parameters else ""
        ref = ref[: len(ref) - len(tail)]
        if ref.startswith("/"):
            return ref.removeprefix(f"/{self.name}/") + tail
        for n in range(len(path), -1, -1):
            steps: list[str] = list(path[:n])
            for step in ref.split("/"):
                if step == "..":
                    steps.pop()
                elif step != ".":
                    steps.append(step)
            if "/".join(steps) in table:
                return "/".join(steps) + tail
            if ref.startswith("."):
                break
        raise KeyError(ref)

    def base_of(self, key: str) -> str | None:
        element, path = self.containers[key]
        base = child(element, "BaseContainer")
        return (
            None if base is None else self.find(self.containers, base.get("containerRef", ""), path)
        )

    # --- types, with what they inherit -----------------------------------------------------

    def type_of(self, ref: str, path: tuple[str, ...]) -> tuple[ET.Element, tuple[str, ...]]:
        element, where = self.types[self.find(self.types, ref, path)]
        base = element.get("baseType")
        if base is None:
            return element, where
        under, _ = self.type_of(base, where)
        merged = ET.Element(element.tag, {**under.attrib, **element.attrib})

        def slot(e: ET.Element) -> str:
            return re.sub(".*DataEncoding", "DataEncoding", tag(e))

        mine = {slot(c) for c in element}
        merged.extend([*element, *(c for c in under if slot(c) not in mine)])
        return merged, where

    # --- one packet ------------------------------------------------------------------------

    def decode(self, packet: bytes, reception_ns: int) -> Decoded:
        done = Decoded(time_ns=reception_ns)
        try:
            done.container = self._container_of(packet)
            run = _Run(self, packet)
            run.container(done.container, "")
            if 8 * len(packet) - run.end >= 8 and not self.trailing:
                raise Refused(Reason.TRAILING_BYTES)
            run.derive()
            run.resolve_times()
            done.values = run.values
            done.time_ns = run.generation_time(reception_ns)
        except Refused as refused:
            done.reason = int(refused.args[0])
            done.values = {}
            return done
        self.latest |= done.values
        return done

    def _container_of(self, packet: bytes) -> str:
        here = self.root
        while True:
            run = _Run(self, packet)
            try:
                run.container(here, "")
            except Refused:
                pass  # what was decoded up to there may tell enough
            run.latest = {}
            matches = []
            for key in self.containers:
                element, path = self.containers[key]
                if self.base_of(key) == here:
                    base = child(element, "BaseContainer")
                    criteria = child(base, "RestrictionCriteria") if base is not None else None
                    if criteria is None or run.matches(criteria, path):
                        matches.append(key)
            if len(matches) > 1:
                raise Refused(Reason.AMBIGUOUS_CONTAINER)
            if not matches:
                if self.containers[here][0].get("abstract", "false") in ("true", "1"):
                    raise Refused(Reason.NO_CONTAINER)
                return here
            here = matches[0]


class _Run:
    """The state of decoding one packet: a cursor in bits, and what was found so far."""

    def __init__(self, of: ReferenceDecoder, packet: bytes) -> None:
        self.of, self.latest = of, of.latest
        self.size = 8 * len(packet)
        self.whole = int.from_bytes(packet, "big")
        self.cursor = self.end = 0
        self.starts = [0]
        self.values: dict[str, Value] = {}
        self.time_types: dict[str, tuple[ET.Element, tuple[str, ...]]] = {}

    def take(self, bits: int, at: int | None = None) -> int:
        at = self.cursor if at is None else at
        return (self.whole >> (self.size - at - bits)) & ((1 << bits) - 1)

    # --- what a packet says of itself ------------------------------------------------------

    def look(self, element: ET.Element, path: tuple[str, ...]) -> tuple[Value | None, bool]:
        key = self.of.find(self.of.parameters, element.get("parameterRef", ""), path)
        calibrated = element.get("useCalibratedValue", "true") in ("true", "1")
        return self.values.get(key, self.latest.get(key)), calibrated

    def matches(self, element: ET.Element, path: tuple[str, ...]) -> bool:
        """MatchCriteria."""
        one = child(element, "Comparison", "ComparisonList", "BooleanExpression")
        assert one is not None
        if tag(one) == "Comparison":
            return self._comparison(one, path)
        if tag(one) == "ComparisonList":
            return all([self._comparison(c, path) for c in below(one, "Comparison")])
        return self._condition(one[0], path)

    def _condition(self, e: ET.Element, path: tuple[str, ...]) -> bool:
        if tag(e) == "ANDedConditions":
            return all(self._condition(c, path) for c in e)
        if tag(e) == "ORedConditions":
            return any(self._condition(c, path) for c in e)
        value, calibrated = self.look(e[0], path)
        if tag(e[2]) == "Value":
            return self._against(e[0], value, calibrated, e[1].text or "", e[2].text or "", path)
        other, cal = self.look(e[2], path)
        if value is None or other is None:
            return False
        a = value.eng if calibrated else float(value.number)
        return _compare(a, e[1].text or "", other.eng if cal else float(other.number))

    def _comparison(self, e: ET.Element, path: tuple[str, ...]) -> bool:
        value, calibrated = self.look(e, path)
        return self._against(
            e, value, calibrated, e.get("comparisonOperator", "=="), e.get("value", ""), path
        )

    def _against(
        self, e: ET.Element, value: Value | None, calibrated: bool, operator: str, written: str,
        path: tuple[str, ...],
    ) -> bool:  # fmt: skip
        if value is None:
            return False
        of, _ = self._leaf_type(self.of.find(self.of.parameters, e.get("parameterRef", ""), path))
        if tag(of) == "StringParameterType":
            encoding = child(of, "StringDataEncoding")
            assert encoding is not None
            same = value.text == written.encode(CODECS[encoding.get("encoding", "UTF-8")])
            return same == (operator == "==")
        labels = _labels(of)
        if calibrated and labels:
            return _compare(value.number, operator, {t: v for v, t in labels.items()}[written])
        try:
            right: Any = int(written, 0)
        except ValueError:
            right = float(written)
        whole = isinstance(value.number, int) and value.eng == float(value.number)
        return _compare(value.number if not calibrated or whole else value.eng, operator, right)

    def _leaf_type(self, key: str) -> tuple[ET.Element, tuple[str, ...]]:
        head, last = key.rsplit("/", 1) if "/" in key else ("", key)
        name = re.split(r"[.\[#]", last)[0]
        element, path = self.of.parameters[f"{head}/{name}" if head else name]
        of, path = self.of.type_of(element.get("parameterTypeRef", ""), path)
        for member in re.findall(r"\.([^.\[]+)|\[\d+\]", last[len(name) :]):
            if member:
                (found,) = [m for m in child(of, "MemberList") or () if m.get("name") == member]
                of, path = self.of.type_of(found.get("typeRef", ""), path)
            elif tag(of) == "ArrayParameterType":
                of, path = self.of.type_of(of.get("arrayTypeRef", ""), path)
        return of, path

    def integer(self, e: ET.Element, path: tuple[str, ...]) -> int | None:
        """IntegerValue: fixed, from a parameter, or looked up."""
        if tag(e) in ("FixedValue", "Fixed"):
            return int((e.text if tag(e) == "FixedValue" else e[0].text) or "")
        if tag(e) == "DiscreteLookupList":
            for item in e:
                if self.matches(item, path):
                    return int(item.get("value", ""))
            return None
        if tag(e) != "DynamicValue":
            return self.integer(e[0], path)
        value, calibrated = self.look(e[0], path)
        if value is None:
            return None
        x = value.eng if calibrated else float(value.number)
        line = child(e, "LinearAdjustment")
        if line is not None:
            x = float(line.get("slope", "0")) * x + float(line.get("intercept", "0"))
        return int(x) if -1e9 < x < 1e9 and x == math.floor(x) else None

    # --- containers ------------------------------------------------------------------------

    def container(self, key: str, suffix: str) -> None:
        base = self.of.base_of(key)
        if base is not None:
            self.container(base, suffix)
        element, path = self.of.containers[key]
        for entry in child(element, "EntryList") or ():
            self._entry(entry, path, suffix)

    def _entry(self, entry: ET.Element, path: tuple[str, ...], suffix: str) -> None:
        include = child(entry, "IncludeCondition")
        if include is not None and not self.matches(include, path):
            return
        location = child(entry, "LocationInContainerInBits")
        if location is not None:
            anchor = location.get("referenceLocation", "previousEntry")
            origin = self.cursor if anchor == "previousEntry" else self.starts[-1]
            self._go(origin, self.integer(location[0], path))
        repeat = child(entry, "RepeatEntry")
        if repeat is None:
            self._body(entry, path, suffix)
            return
        gap = child(repeat, "Offset")
        count = child(repeat, "Count")
        assert count is not None
        for i in range(self._count(count[0], path)):
            if i and gap is not None:
                self._go(self.cursor, self.integer(gap[0], path))
            self._body(entry, path, f"{suffix}[{i}]")

    def _go(self, origin: int, by: int | None) -> None:
        if by is None or not 0 <= origin + by <= self.size + MOST_BITS:
            raise Refused(Reason.BAD_SIZE)
        self.cursor = origin + by

    def _count(self, e: ET.Element, path: tuple[str, ...], first: int = 0) -> int:
        n = self.integer(e, path)
        if n is None or n - first < 0:
            raise Refused(Reason.BAD_SIZE)
        if tag(e) != "FixedValue" and n - first > MOST_ELEMENTS:
            raise Refused(Reason.TOO_MANY)
        return n - first

    def _body(self, entry: ET.Element, path: tuple[str, ...], suffix: str) -> None:
        if tag(entry) == "ContainerRefEntry":
            self.starts.append(self.cursor)
            key = self.of.find(self.of.containers, entry.get("containerRef", ""), path)
            self.container(key, suffix)
            self.starts.pop()
            return
        key = self.of.find(self.of.parameters, entry.get("parameterRef", ""), path)
        parameter, where = self.of.parameters[key]
        self._leaf(key + suffix, *self.of.type_of(parameter.get("parameterTypeRef", ""), where))

    def _leaf(self, name: str, of: ET.Element, path: tuple[str, ...]) -> None:
        if tag(of) == "AggregateParameterType":
            for member in child(of, "MemberList") or ():
                self._leaf(
                    f"{name}.{member.get('name')}",
                    *self.of.type_of(member.get("typeRef", ""), path),
                )
        elif tag(of) == "ArrayParameterType":
            dimensions = child(of, "DimensionList")
            self._elements(name, of, path, list(dimensions if dimensions is not None else ()))
        else:
            n, unique = 2, name
            while unique in self.values:
                unique, n = f"{name}#{n}", n + 1
            self.values[unique] = self._value(unique, of, path)

    def _elements(
        self, name: str, of: ET.Element, path: tuple[str, ...], dimensions: list[ET.Element]
    ) -> None:
        if not dimensions:
            self._leaf(name, *self.of.type_of(of.get("arrayTypeRef", ""), path))
            return
        start, last = child(dimensions[0], "StartingIndex"), child(dimensions[0], "EndingIndex")
        assert start is not None
        assert last is not None
        first = self.integer(start[0], path) or 0
        for i in range(self._count(last[0], path, first - 1)):
            self._elements(f"{name}[{first + i}]", of, path, dimensions[1:])

    # --- values ----------------------------------------------------------------------------

    def _value(self, name: str, of: ET.Element, path: tuple[str, ...]) -> Value:
        holder = child(of, "Encoding") if "TimeParameterType" in tag(of) else of
        assert holder is not None
        encoding = next(e for e in holder if tag(e).endswith("DataEncoding"))
        if tag(of) == "AbsoluteTimeParameterType":
            self.time_types[name] = (of, path)
        if tag(encoding) == "StringDataEncoding":
            return self._string(encoding, path)
        if tag(encoding) == "BinaryDataEncoding":
            size = child(encoding, "SizeInBits")
            assert size is not None
            bits = self._box(self.integer(size[0], path))
            word = self._advance(bits)
            left = word << (-bits % 8)
            content = left.to_bytes((bits + 7) // 8, "big")
            return Value(word, math.nan, 0, content)
        default = "8" if tag(encoding) == "IntegerDataEncoding" else "32"
        bits = int(encoding.get("sizeInBits", default))
        if bits > self.size - self.cursor:
            raise Refused(Reason.TOO_SHORT)
        word = self._advance(bits)
        if encoding.get("byteOrder") == "leastSignificantByteFirst":
            word = int.from_bytes(word.to_bytes(bits // 8, "big"), "little")
        number = _number(encoding, word, bits)
        if tag(of) == "BooleanParameterType":
            number = int(number != 0)
        return self._engineering(of, encoding, number, word, path)

    def _advance(self, bits: int) -> int:
        if bits > self.size - self.cursor:
            raise Refused(Reason.TOO_SHORT)
        word = self.take(bits)
        self.cursor += bits
        self.end = max(self.end, self.cursor)
        return word

    def _box(self, bits: int | None) -> int:
        if bits is None or not 0 <= bits <= MOST_BITS:
            raise Refused(Reason.BAD_SIZE)
        if bits > self.size - self.cursor:
            raise Refused(Reason.TOO_SHORT)
        return bits

    def _string(self, encoding: ET.Element, path: tuple[str, ...]) -> Value:
        size = child(encoding, "SizeInBits", "Variable")
        assert size is not None
        told = child(size, "Fixed", "DynamicValue", "DiscreteLookupList")
        box = None if told is None else self._box(self.integer(told, path))
        if self.cursor > self.size:
            raise Refused(Reason.TOO_SHORT)
        room = self.size - self.cursor if box is None else box
        start, bits, taken = self.cursor, room, room
        leading, ending = child(size, "LeadingSize"), child(size, "TerminationChar")
        if leading is not None:
            n = int(leading.get("sizeInBitsOfSizeTag", "16"))
            bits = self.take(n) if n <= room else -1
            if bits < 0 or bits > room - n or bits % 8:
                raise Refused(Reason.BAD_SIZE)
            start, taken = start + n, n + bits if box is None else box
        elif ending is not None:
            width = len("\0".encode(CODECS[encoding.get("encoding", "UTF-8")]))
            end = bytes.fromhex(ending.text or "00")
            end = bytes(width) if end == b"\0" else end
            content = bytes(self.take(8, start + 8 * i) for i in range(room // 8))
            at = next((i for i in range(0, len(content) - width + 1, width)
                       if content[i : i + width] == end), None)  # fmt: skip
            if at is not None:
                bits, taken = 8 * at, 8 * (at + width) if box is None else box
            elif box is None:
                raise Refused(Reason.BAD_SIZE)
        whole = self.take(bits, start) << (-bits % 8)
        self.cursor += taken
        self.end = max(self.end, self.cursor)
        text = whole.to_bytes((bits + 7) // 8, "big")
        return Value(None, math.nan, 0, text, text)

    def _engineering(
        self, of: ET.Element, encoding: ET.Element, number: Any, word: int, path: tuple[str, ...]
    ) -> Value:
        x = _float(number)
        quality = 0
        if tag(of) == "EnumeratedParameterType" and number not in _labels(of):
            quality |= INVALID
        y, bits = x, word
        if tag(of) == "RelativeTimeParameterType":
            scaled = child(of, "Encoding")
            assert scaled is not None
            unit = _unit(scaled)
            offset = round(Fraction(scaled.get("offset", "0")) * unit)
            y = float(Fraction(scaled.get("scale", "1")) * unit / 10**9) * x + offset / 1e9
        calibrator = child(encoding, "DefaultCalibrator")
        for context in child(encoding, "ContextCalibratorList") or ():
            match = child(context, "ContextMatch")
            assert match is not None
            if self.matches(match, path):
                calibrator = child(context, "Calibrator")
                break
        if calibrator is not None:
            y, more = self._calibrate(calibrator[0], x, path)
            quality |= more
        valid = child(of, "ValidRange")
        if valid is not None:
            seen = y if valid.get("validRangeAppliesToCalibrated", "true") == "true" else x
            if not _within(valid, seen):
                quality |= INVALID
        if not math.isfinite(y):
            quality |= INVALID
        return Value(number, y, quality, bits)

    def _calibrate(self, e: ET.Element, x: float, path: tuple[str, ...]) -> tuple[float, int]:
        if tag(e) == "PolynomialCalibrator":
            terms: dict[int, float] = {}
            for t in e:
                power = int(t.get("exponent", "0"))
                terms[power] = terms.get(power, 0.0) + float(t.get("coefficient", "0"))
            y = terms.get(max(terms), 0.0)
            for power in range(max(terms) - 1, -1, -1):
                y = y * x + terms.get(power, 0.0)
            return y, 0
        if tag(e) == "SplineCalibrator":
            return _spline(e, x)
        return self._rpn(e, x, path), 0

    def _rpn(self, e: ET.Element, this: float, path: tuple[str, ...]) -> float:
        tokens: list[Any] = []
        for item in e:
            if tag(item) == "ValueOperand":
                tokens.append(float(item.text or ""))
            elif tag(item) == "ThisParameterOperand":
                tokens.append(this)
            elif tag(item) == "ParameterInstanceRefOperand":
                tokens.append(self._operand(item, path))
            elif tag(item) == "Operator":
                tokens.append(item.text)
        return evaluate(tokens)

    def _operand(self, item: ET.Element, path: tuple[str, ...]) -> float:
        value, calibrated = self.look(item, path)
        if value is None:
            return math.nan
        return value.eng if calibrated else _float(value.number)

    # --- algorithms ------------------------------------------------------------------------

    def derive(self) -> None:
        """Algorithms whose trigger came, each after those it needs or waits for."""
        waiting = [self._algorithm(e, path) for e, path in self.of.algorithms]
        while waiting:
            outputs = {a[0] for a in waiting}
            ready = next(a for a in waiting if not outputs.intersection((*a[1], *a[2])))
            waiting.remove(ready)
            output, triggers, _, compute = ready
            if any(t in self.values for t in triggers):
                y = compute()
                self.values[output] = Value(y, y, 0 if math.isfinite(y) else INVALID, None)

    def _algorithm(
        self, e: ET.Element, path: tuple[str, ...]
    ) -> tuple[str, list[str], list[str], Any]:
        def key(ref: str) -> str:
            return self.of.find(self.of.parameters, ref, path)

        operation = child(e, "MathOperation")
        if operation is not None:
            inputs = [
                key(r.get("parameterRef", ""))
                for r in below(operation, "ParameterInstanceRefOperand")
            ]
            triggers = child(operation, "TriggerSet")
            output = key(operation.get("outputParameterRef", ""))

            def compute() -> float:
                return self._rpn(operation, math.nan, path)
        else:
            refs = child(e, "InputSet")
            given = below(refs, "InputParameterInstanceRef")
            inputs = [key(r.get("parameterRef", "")) for r in given]
            triggers, outputs = child(e, "TriggerSet"), child(e, "OutputSet")
            text = child(e, "AlgorithmText")
            assert outputs is not None
            assert text is not None
            output = key(outputs[0].get("parameterRef", ""))

            def compute() -> float:
                names = {
                    c.get("constantName", ""): float(c.get("value", ""))
                    for c in below(refs, "Constant")
                }
                names |= {
                    r.get("inputName", r.get("parameterRef", "")): self._operand(r, path)
                    for r in given
                }
                return parse_infix(text.text or "", names)

        said = [key(t.get("parameterRef", "")) for t in below(triggers, "OnParameterUpdateTrigger")]
        return output, said or inputs, inputs, compute

    # --- time ------------------------------------------------------------------------------

    def resolve_times(self) -> None:
        for name, (of, path) in self.time_types.items():
            value = self.values[name]
            try:
                value.ns = self._utc(name, of, path)
                value.eng = value.ns / 1e9
                value.quality = 0
            except NotATime:
                value.eng, value.quality = math.nan, INVALID
            except KeyError:
                value.eng, value.quality = value.eng, value.quality

    def generation_time(self, reception_ns: int) -> int:
        """Of the container's first absolute time, where this packet holds it."""
        name = self.of_first_time()
        if name is None or name not in self.values:
            return reception_ns
        ns = self.values[name].ns
        if ns is None:
            raise Refused(Reason.BAD_TIME)
        return ns

    def of_first_time(self) -> str | None:
        return next(iter(self.time_types), None)

    def _utc(self, name: str, of: ET.Element, path: tuple[str, ...]) -> int:
        origin, continuous = self._origin(name, of, path)
        if abs(origin) >= 2**62:
            raise NotATime
        return _utc_of_tai(origin) if continuous else origin

    def _origin(self, name: str, of: ET.Element, path: tuple[str, ...]) -> tuple[int, bool]:
        """ns since 1970 on its own scale, and whether that scale knows no leap seconds."""
        scaled, reference = child(of, "Encoding"), child(of, "ReferenceTime")
        assert scaled is not None
        assert reference is not None
        value = self.values[name]
        code = scaled[0].find(".//{*}AlgorithmText")
        if code is not None:
            ns, offset = _segmented((code.text or "").strip(), value.bits), 0
            if ns >= 2**62:
                raise NotATime
        else:
            unit = _unit(scaled)
            ns = _scaled(value.number, Fraction(scaled.get("scale", "1")) * unit)
            offset = round(Fraction(scaled.get("offset", "0")) * unit)
        one = reference[0]
        if tag(one) == "OffsetFrom":
            key = self.of.find(self.of.parameters, one.get("parameterRef", ""), path)
            base, continuous = self._origin(key, *self.time_types[key])
            return base + offset + ns, continuous
        text = (one.text or "").strip()
        starts = {"TAI": _date("1958-01-01"), "GPS": _date("1980-01-06") + 19 * 10**9,
                  "J2000": _date("2000-01-01T12:00:00") - 32_184_000_000}  # fmt: skip
        if text in starts:
            return starts[text] + offset + ns, True
        epoch = 0 if text == "UNIX" else _date(text)
        if code is not None and (code.text or "").strip().startswith("CUC"):
            return _tai_of_utc(epoch) + offset + ns, True
        return epoch + offset + ns, False


def _compare(a: Any, operator: str, b: Any) -> bool:
    if a != a or b != b:
        return False
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[
        operator
    ]


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def _labels(of: ET.Element) -> dict[int, str]:
    if tag(of) == "BooleanParameterType":
        return {0: of.get("zeroStringValue", "False"), 1: of.get("oneStringValue", "True")}
    labels: dict[int, str] = {}
    for e in child(of, "EnumerationList") or ():
        first = int(e.get("value", "0"), 0)
        for v in range(first, int(e.get("maxValue", str(first)), 0) + 1):
            labels[v] = e.get("label", "")
    return labels


def _number(e: ET.Element, word: int, bits: int) -> Any:
    coding = e.get("encoding", "unsigned")
    if tag(e) == "FloatDataEncoding":
        if coding == "MILSTD_1750A":
            tail = 16 if bits == 48 else 0
            fraction = word >> (8 + tail) << tail | word & ((1 << tail) - 1)
            exponent = word >> tail & 255
            fraction = _signed(fraction, 24 + tail)
            return float(Fraction(fraction, 2 ** (23 + tail)) * Fraction(2) ** _signed(exponent, 8))
        letter = {16: "e", 32: "f", 64: "d"}[bits]
        return struct.unpack(f">{letter}", word.to_bytes(bits // 8, "big"))[0]
    if coding == "twosComplement":
        return _signed(word, bits)
    if coding == "onesComplement":
        return -(word ^ ((1 << bits) - 1)) if word >> (bits - 1) else word
    if coding == "signMagnitude":
        size = word & ((1 << (bits - 1)) - 1)
        return -size if word >> (bits - 1) else size
    if coding in ("BCD", "packedBCD"):
        width = 8 if coding == "BCD" else 4
        digits = [word >> i & ((1 << width) - 1) for i in range(0, bits, width)]
        return sum(d * 10**i for i, d in enumerate(digits)) if max(digits) < 10 else math.nan
    return word


def _signed(word: int, bits: int) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


def _spline(e: ET.Element, x: float) -> tuple[float, int]:
    points = sorted((float(p.get("raw", "")), float(p.get("calibrated", ""))) for p in e)
    if x != x:
        return math.nan, 0
    if e.get("extrapolate", "false") == "false" and not points[0][0] <= x <= points[-1][0]:
        return math.nan, OUTSIDE
    i = max([k for k in range(len(points) - 1) if points[k][0] <= x], default=0)
    (x0, y0), (x1, y1) = points[i], points[i + 1]
    if e.get("order", "1") == "0":
        return (y1 if x >= x1 else y0), 0
    return y0 + (x - x0) * (y1 - y0) / (x1 - x0), 0


def _within(e: ET.Element, x: float) -> bool:
    return (
        (e.get("minInclusive") is None or x >= float(e.get("minInclusive", "")))
        and (e.get("maxInclusive") is None or x <= float(e.get("maxInclusive", "")))
        and (e.get("minExclusive") is None or x > float(e.get("minExclusive", "")))
        and (e.get("maxExclusive") is None or x < float(e.get("maxExclusive", "")))
        and x == x
    )


def _unit(scaled: ET.Element) -> Fraction:
    return {"seconds": Fraction(10**9), "picoSeconds": Fraction(1, 1000),
            "days": Fraction(86400 * 10**9)}[scaled.get("units", "seconds")]  # fmt: skip


def _scaled(number: Any, unit: Fraction) -> int:
    """Counts to ns: whole numbers exactly, halves up; floats by one product, halves to even."""
    if not math.isfinite(number):
        raise NotATime
    if isinstance(number, int) and abs(number * unit) < 2**62:
        return math.floor(number * unit + Fraction(1, 2))
    ns = number * (float(unit.numerator) / float(unit.denominator))
    if abs(ns) >= 2**62:
        raise NotATime
    return round(ns)


def _segmented(text: str, content: bytes) -> int:
    """CCSDS 301.0-B-4: CUC seconds and fraction (3.2), CDS days, ms and below (3.3)."""
    code, sizes, *rest = text.split()
    major, minor = (int(n) for n in sizes.split("+"))
    preamble = bytes.fromhex(rest[0][2:]) if rest else b""
    if content[: len(preamble)] != preamble:
        raise NotATime
    content = content[len(preamble) :]
    first = int.from_bytes(content[:major], "big")
    if code == "CUC":
        fraction = Fraction(int.from_bytes(content[major:], "big"), 256**minor)
        return first * 10**9 + math.floor(fraction * 10**9 + Fraction(1, 2))
    ms = int.from_bytes(content[major : major + 4], "big")
    under = Fraction(int.from_bytes(content[major + 4 :], "big") * {0: 0, 2: 1000, 4: 1}[minor])
    under = under / 1000 if minor == 4 else under
    return first * 86400 * 10**9 + ms * 10**6 + math.floor(under + Fraction(1, 2))


def _date(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 10**9


def _tai_of_utc(utc: int) -> int:
    passed = sum(_date(f"{month}-01") <= utc for month in LEAPS)
    return utc + (9 + max(passed, 1)) * 10**9


def _utc_of_tai(tai: int) -> int:
    """The inserted second itself is told as the midnight that follows it."""
    utc = tai - 10 * 10**9
    for n, month in enumerate(LEAPS[1:], 1):
        midnight = _date(f"{month}-01")
        if tai >= midnight + (10 + n) * 10**9:
            utc = tai - (10 + n) * 10**9
        elif utc > midnight:
            utc = midnight
    return utc
