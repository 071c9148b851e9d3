"""What kernels read: every definition as rows of numbers. One set for all containers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from pipeline.decode.definitions.layout import Field
from pipeline.errors import MissionError
from pipeline.mdb.criteria import OPERANDS
from pipeline.mdb.encodings import character_bytes
from schemas.columns import F8, I8, U1, U8
from schemas.mission import (
    THIS,
    AllOf,
    BinaryEncoding,
    Calibrator,
    Comparison,
    Criteria,
    DynamicValue,
    FloatEncoding,
    Formula,
    IntegerEncoding,
    IntegerValue,
    Parameter,
    Polynomial,
    Reference,
    Spline,
    StringEncoding,
    TimeEncoding,
)
from schemas.settings import ClockRun

# columns of the field table
(
    BYTE, SHIFT, DROP, KIND, LITTLE, POLY, POLY_N, LABEL, LABEL_N, BITS, PLAIN, CALIBRATOR,
    CONTEXT, CONTEXT_N, VALID, SIZE, TEXT,
) = range(17)  # fmt: skip
FIELD_COLUMNS = 17
# kinds of field
(
    UNSIGNED, SIGNED, FLOAT32, FLOAT64, BOOLEAN, FLOAT16, ONES, MAGNITUDE, BCD, PACKED,
    MIL32, MIL48, WIDE_UNSIGNED, WIDE_SIGNED, WIDE_BINARY, STRING, BINARY,
) = range(17)  # fmt: skip
_CODINGS = {
    "unsigned": UNSIGNED, "twosComplement": SIGNED, "onesComplement": ONES,
    "signMagnitude": MAGNITUDE, "BCD": BCD, "packedBCD": PACKED,
}  # fmt: skip
_FLOATS = {
    ("IEEE754", 16): FLOAT16, ("IEEE754", 32): FLOAT32, ("IEEE754", 64): FLOAT64,
    ("MILSTD_1750A", 32): MIL32, ("MILSTD_1750A", 48): MIL48,
}  # fmt: skip
# kinds of calibrator, of comparison, of criteria token, of size, of formula token, of time term
POLYNOMIAL, STEPS, LINES, FORMULA = range(4)
NUMBER, EXACT, LITERAL, OTHER = range(4)
COMPARE, AND, OR = range(3)
FIXED, DYNAMIC, LOOKUP = range(3)
PUSH, PUSH_THIS, PUSH_REFERENCE, OPERATE = range(4)
SCALED, CUC, CDS = range(3)
BEGINS, ENDS, HOLDS = 6, 7, 8  # of texts
OPERATORS = {"==": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
OPERATORS |= {"begins": BEGINS, "ends": ENDS, "holds": HOLDS}
MATH = {operator: i for i, operator in enumerate(OPERANDS)}


class Tables(NamedTuple):
    """`i8[n, columns]` unless said otherwise.

    fields; labels i8, coefficients f8; calibrators (kind, start, n, extrapolate); contexts
    (criteria, n, calibrator); criteria tokens (kind, argument); comparisons (reference, operator,
    kind, other or text start, text n), their numbers f8 and bits u8; texts u1; references (column,
    field, slot, calibrated); sizes (kind, reference or lookup start, n), their lines f8[n, 2];
    lookups (criteria, n, value); choices (first lookup, n); strings (leading, text start, n,
    character bytes); formula tokens (kind, argument) and their numbers f8; valid ranges f8[n, 3];
    times (epoch, continuous, term, n); terms (column, kind, up or major, down or minor, text
    start, n); clock runs (received from, first pair, n), pairs (on board, UTC) and their drift f8.
    """

    fields: I8
    labels: I8
    coefficients: F8
    calibrators: I8
    contexts: I8
    criteria: I8
    comparisons: I8
    numbers: F8
    bits: U8
    texts: U1
    references: I8
    sizes: I8
    lines: F8
    lookups: I8
    choices: I8
    strings: I8
    tokens: I8
    token_numbers: F8
    valid: F8
    times: I8
    terms: I8
    slot_fields: I8
    leap_tai: I8
    leap_offset: I8
    clock_runs: I8
    clock_pairs: I8
    clock_drift: F8


class Place(NamedTuple):
    """The plan that a definition is written for: where its parameters are, up to `before`."""

    where: str  # for messages
    columns: dict[str, int]  # the first column of each name
    first_field: int  # row of its first column in the field table
    before: int  # columns from here on are not decoded yet
    presence: tuple[int, ...]
    this: int = -1  # the column that THIS is


class Writer:
    """Appends to the tables. A definition is written once for each plan that uses it."""

    def __init__(self, slots: dict[str, int], carried: dict[str, Parameter]) -> None:
        self.slots = slots  # parameter: place of its newest value
        self._carried = carried  # every column of every container, by name
        self.rows: dict[str, list[list[int]]] = {
            n: [] for n in ("fields", "calibrators", "contexts", "criteria", "comparisons",
                            "references", "sizes", "lookups", "choices", "strings", "tokens",
                            "times", "terms")
        }  # fmt: skip
        self.floats: dict[str, list[float]] = {
            n: [] for n in ("coefficients", "numbers", "lines", "token_numbers", "valid")
        }
        self.labels: list[int] = []
        self.bits: list[int] = []
        self.texts = bytearray()

    def _add(self, table: str, *row: int) -> int:
        self.rows[table].append(list(row))
        return len(self.rows[table]) - 1

    def field(self, field: Field, place: Place) -> int:
        """Add a column; returns its row."""
        of, row = field.parameter.type, [0] * FIELD_COLUMNS
        row[BYTE], row[SHIFT] = max(field.bit, 0) // 8, max(field.bit, 0) % 8
        row[KIND], row[BITS] = kind_of(field), field.bits
        row[DROP] = 64 - field.bits if 0 <= field.bits <= 64 else 0
        if field.derived:
            row[KIND], row[BITS], row[DROP] = FLOAT64, 64, 0
        row[LITTLE] = int(getattr(of.encoding, "little_endian", False))
        labels = [raw for raw, _ in of.labels] if of.kind == "enumerated" else []
        row[LABEL], row[LABEL_N] = len(self.labels), len(labels)
        self.labels += labels
        row[CALIBRATOR] = row[VALID] = row[SIZE] = row[TEXT] = -1
        if of.time is not None and of.kind == "duration":
            line = (of.time.epoch_ns / 1e9, float(of.time.ns_per_unit / 10**9))
            row[POLY], row[POLY_N] = self._numbers("coefficients", line), 2
        elif isinstance(of.calibrator, Polynomial):
            row[POLY] = self._numbers("coefficients", of.calibrator.coefficients)
            row[POLY_N] = len(of.calibrator.coefficients)
        elif of.calibrator is not None:
            row[CALIBRATOR] = self.calibrator(of.calibrator, place)
        row[CONTEXT], row[CONTEXT_N] = self._contexts(of.context_calibrators, place)
        if of.valid is not None and not isinstance(of.encoding, StringEncoding):
            row[VALID] = self._numbers("valid", (of.valid[0], of.valid[1], float(of.valid[2]))) // 3
        encoding = of.encoding
        if isinstance(encoding, StringEncoding):
            row[TEXT] = self._add(
                "strings",
                encoding.leading_bits,
                *self._text(encoding.terminator),
                character_bytes(encoding.charset),
            )
            if encoding.box is not None:
                row[SIZE] = self.size(encoding.box, place)
        elif isinstance(encoding, BinaryEncoding):
            row[SIZE] = self.size(encoding.bits, place)
        # the bits are taken as they are: the kernel's short way
        plain = row[KIND] in (UNSIGNED, FLOAT32) and not row[LITTLE]
        decorated = row[POLY_N] or labels or row[CALIBRATOR] >= 0 or row[CONTEXT_N]
        row[PLAIN] = int(plain and not decorated and row[VALID] < 0)
        return self._add("fields", *row)

    def _numbers(self, table: str, numbers: tuple[float, ...]) -> int:
        self.floats[table] += numbers
        return len(self.floats[table]) - len(numbers)

    def _text(self, text: bytes) -> tuple[int, int]:
        self.texts += text
        return len(self.texts) - len(text), len(text)

    def _contexts(
        self, contexts: tuple[tuple[Criteria, Calibrator], ...], place: Place
    ) -> tuple[int, int]:
        made = [(*self.criteria(c, place), self.calibrator(k, place)) for c, k in contexts]
        first = len(self.rows["contexts"])
        for row in made:
            self._add("contexts", *row)
        return first, len(made)

    def calibrator(self, calibrator: Calibrator, place: Place) -> int:
        if isinstance(calibrator, Polynomial):
            start = self._numbers("coefficients", calibrator.coefficients)
            return self._add("calibrators", POLYNOMIAL, start, len(calibrator.coefficients), 0)
        if isinstance(calibrator, Spline):
            flat = tuple(x for point in calibrator.points for x in point)
            start = self._numbers("coefficients", flat)
            kind = LINES if calibrator.order else STEPS
            return self._add(
                "calibrators", kind, start, len(calibrator.points), int(calibrator.extrapolate)
            )
        return self._add("calibrators", FORMULA, *self.formula(calibrator, place), 0)

    def formula(self, formula: Formula, place: Place) -> tuple[int, int]:
        """(first token, how many)."""
        made: list[tuple[int, int, float]] = []
        for token in formula.tokens:
            if isinstance(token, Reference):
                made.append((PUSH_REFERENCE, self.reference(token, place), 0.0))
            elif token == THIS:
                made.append((PUSH_THIS, 0, 0.0))
            elif isinstance(token, str):
                made.append((OPERATE, MATH[token], 0.0))
            else:
                made.append((PUSH, 0, token))
        first = len(self.rows["tokens"])
        for kind, argument, number in made:
            self._add("tokens", kind, argument)
            self.floats["token_numbers"].append(number)
        return first, len(made)

    def reference(self, reference: Reference, place: Place) -> int:
        """A column of this packet if it is decoded by then; else the newest earlier value."""
        name = reference.parameter
        if name == THIS:
            return self._add("references", place.this, place.first_field + place.this, -1, 0)
        column = place.columns.get(name, -1)
        if column < 0 and name not in self._carried:
            raise MissionError(
                f"{place.where}: {name} is looked at, but no container carries a value of this "
                "name (of arrays and repetitions name one element)."
            )
        sure = 0 <= column < place.before and place.presence[column] == 0
        slot = -1 if sure else self.slots.setdefault(name, len(self.slots))
        usable = column if 0 <= column < place.before else -1
        field = place.first_field + column if usable >= 0 else -1
        return self._add("references", usable, field, slot, int(reference.calibrated))

    def criteria(self, criteria: Criteria, place: Place) -> tuple[int, int]:
        """Criteria as postfix tokens: (first, how many)."""
        made: list[tuple[int, int]] = []

        def walk(part: Criteria) -> None:
            if isinstance(part, Comparison):
                made.append((COMPARE, self._comparison(part, place)))
                return
            for inner in part.parts:
                walk(inner)
            made.append((AND if isinstance(part, AllOf) else OR, len(part.parts)))

        walk(criteria)
        first = len(self.rows["criteria"])
        for token in made:
            self._add("criteria", *token)
        return first, len(made)

    def _comparison(self, comparison: Comparison, place: Place) -> int:
        left, right = self.reference(comparison.left, place), comparison.right
        kind, other, n, number, bits = NUMBER, 0, 0, 0.0, 0
        if isinstance(right, bytes):
            kind = LITERAL
            other, n = self._text(right)
        elif isinstance(right, Reference):
            kind, other = OTHER, self.reference(right, place)
        else:
            kind, number, bits = self._written(comparison, right)
        self.floats["numbers"].append(number)
        self.bits.append(bits)
        return self._add("comparisons", left, OPERATORS[comparison.operator], kind, other, n)

    def _written(self, comparison: Comparison, right: float | int) -> tuple[int, float, int]:
        """(kind, number, bits) of a literal number; bits are exact, where a float would round."""
        parameter = self._carried[comparison.left.parameter]
        encoding = parameter.type.encoding
        if (
            not isinstance(encoding, IntegerEncoding)
            or encoding.bits > 64
            or encoding.coding not in ("unsigned", "twosComplement")
            or parameter.type.kind == "boolean"
            or (comparison.left.calibrated and not _uncalibrated(parameter))
        ):
            return NUMBER, float(right), 0
        if comparison.operator in ("==", "!=") and not float(right).is_integer():
            return NUMBER, float("inf"), 0  # no whole number equals it
        bound = math.ceil(right) if comparison.operator in ("<", ">=") else math.floor(right)
        low, high = _range(encoding)
        if not low <= bound <= high:
            return NUMBER, float("inf") if bound > high else float("-inf"), 0
        return EXACT, float(bound), bound % 2**64

    def size(self, value: IntegerValue, place: Place) -> int:
        if isinstance(value, int):
            row, line = (FIXED, 0, 0), (0.0, float(value))
        elif isinstance(value, DynamicValue):
            row = (DYNAMIC, self.reference(value.reference, place), 0)
            line = (value.slope, value.intercept)
        else:
            row, line = (LOOKUP, *self._lookups(value.choices, place)), (0.0, 0.0)
        self._numbers("lines", line)
        return self._add("sizes", *row)

    def _lookups(self, choices: tuple[tuple[Criteria, int], ...], place: Place) -> tuple[int, int]:
        """(first lookup, how many)."""
        made = [(*self.criteria(c, place), value) for c, value in choices]
        first = len(self.rows["lookups"])
        for row in made:
            self._add("lookups", *row)
        return first, len(made)

    def choice(self, criteria: tuple[Criteria, ...], place: Place) -> int:
        """Add a column of Rows.choice: which of the criteria is the first to hold."""
        numbered = tuple((c, i) for i, c in enumerate(criteria, 1))
        return self._add("choices", *self._lookups(numbered, place))

    def time(self, epoch_ns: int, continuous: bool, terms: list[tuple[int, ...]]) -> int:
        """A time made of terms (see `term`)."""
        first = len(self.rows["terms"])
        for term in terms:
            self._add("terms", *term)
        return self._add("times", epoch_ns, int(continuous), first, len(terms))

    def term(self, column: int, time: TimeEncoding, where: str) -> tuple[int, ...]:
        if time.segmented:
            s = time.segmented
            code = CUC if s.code == "CUC" else CDS
            return (column, code, s.major, s.minor, *self._text(s.p_field))
        return scaled_term(column, time.ns_per_unit, where)

    def finish(
        self, slot_fields: I8, leap_tai: I8, leap_offset: I8, clocks: tuple[ClockRun, ...]
    ) -> Tables:
        widths = {"fields": FIELD_COLUMNS, "calibrators": 4, "contexts": 3, "criteria": 2,
                  "comparisons": 5, "references": 4, "sizes": 3, "lookups": 3, "choices": 2,
                  "strings": 4, "tokens": 2, "times": 4, "terms": 6}  # fmt: skip
        t: dict[str, Any] = {
            n: np.array(r, np.int64).reshape(len(r), widths[n]) for n, r in self.rows.items()
        }
        f: dict[str, Any] = {n: np.array([*v, 0.0]) for n, v in self.floats.items()}
        pairs = [pair for run in clocks for pair in run.pairs]
        first = np.cumsum([0, *(len(run.pairs) for run in clocks)]).tolist()
        runs = [[r.received_ns, first[i], len(r.pairs)] for i, r in enumerate(clocks)]
        return Tables(
            clock_runs=np.array(runs, np.int64).reshape(len(runs), 3),
            clock_pairs=np.array([[p.onboard_ns, p.utc_ns] for p in pairs], np.int64).reshape(
                -1, 2
            ),
            clock_drift=np.array([p.drift for p in pairs], np.float64),
            labels=np.array([*self.labels, 0], np.int64),
            bits=np.array([*self.bits, 0], np.uint64),
            texts=np.frombuffer(bytes(self.texts) + b"\0", np.uint8),
            lines=f.pop("lines")[:-1].reshape(-1, 2),
            valid=f.pop("valid")[:-1].reshape(-1, 3),
            slot_fields=slot_fields,
            leap_tai=leap_tai,
            leap_offset=leap_offset,
            **t,
            **f,
        )


def scaled_term(column: int, unit: Fraction, where: str) -> tuple[int, ...]:
    """raw * unit ns, kept as a fraction so that whole numbers are followed exactly."""
    if abs(unit.numerator) * unit.denominator >= 2**62:
        raise MissionError(f"{where}: its scale is a fraction of ns too fine to follow exactly.")
    return (column, SCALED, unit.numerator, unit.denominator, 0, 0)


def kind_of(field: Field) -> int:
    of = field.parameter.type
    encoding = of.encoding
    if field.derived:
        return FLOAT64
    if isinstance(encoding, StringEncoding):
        return STRING
    if isinstance(encoding, BinaryEncoding):
        return WIDE_BINARY if field.wide else BINARY
    if isinstance(encoding, FloatEncoding):
        return _FLOATS[encoding.coding, encoding.bits]
    assert isinstance(encoding, IntegerEncoding)
    if encoding.bits > 64:
        return WIDE_SIGNED if encoding.signed else WIDE_UNSIGNED
    return BOOLEAN if of.kind == "boolean" else _CODINGS[encoding.coding]


def _uncalibrated(parameter: Parameter) -> bool:
    of = parameter.type
    return of.calibrator is None and not of.context_calibrators and of.time is None


def _range(encoding: IntegerEncoding) -> tuple[int, int]:
    if encoding.signed:
        return -(2 ** (encoding.bits - 1)), 2 ** (encoding.bits - 1) - 1
    return 0, 2**encoding.bits - 1
