"""Databases and packets of every kind, drawn by a random source: what both decoders are tried on."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

CHARSETS = ("UTF-8", "US-ASCII", "ISO-8859-1", "Windows-1252", "UTF-16", "UTF-16LE", "UTF-16BE",
            "UTF-32", "UTF-32LE", "UTF-32BE")  # fmt: skip
WIDTHS = {"UTF-16": 2, "UTF-16LE": 2, "UTF-16BE": 2, "UTF-32": 4, "UTF-32LE": 4, "UTF-32BE": 4}
ONE = ("ln", "log", "e^x", "1/x", "x!", "tan", "cos", "sin", "atan", "acos", "asin", "tanh", "cosh",
       "sinh", "atanh", "acosh", "asinh", "!", "abs", "int", "~")  # fmt: skip
TWO = ("+", "-", "*", "/", "%", "^", "y^x", "atan2", "<<", ">>", "&", "|", "&&", "||", "div", ">",
       ">=", "<", "<=", "==", "!=", "min", "max", "xor")  # fmt: skip
HEADER = (
    ("VERSION", 3),
    ("TYPE", 1),
    ("SHF", 1),
    ("APID", 11),
    ("SEQF", 2),
    ("SEQC", 14),
    ("LEN", 16),
)
HEADER_TYPES = "".join(
    f'<IntegerParameterType name="U{b}" signed="false"><UnitSet/>'
    f'<IntegerDataEncoding sizeInBits="{b}"/></IntegerParameterType>'
    for b in (1, 2, 3, 11, 14, 16)
)


@dataclass
class Drawn:
    """A database as XML. features: which elements it has. apids: of its containers."""

    xml: str = ""
    features: set[str] = field(default_factory=set)
    apids: list[int] = field(default_factory=list)
    kinds: int = 0


class Draw:
    """Draws one database. rnd: a random.Random, or Hypothesis's own."""

    def __init__(self, rnd: Any) -> None:
        self.rnd, self.drawn = rnd, Drawn()
        self.types: list[str] = []
        self.parameters: list[str] = []
        self.algorithms: list[str] = []
        self.counts: list[str] = []  # small unsigned parameters that stand before
        self.numbers: list[str] = []  # numbers that stand before, whatever they are
        self.n = 0

    def has(self, feature: str) -> None:
        self.drawn.features.add(feature)

    def chance(self, p: float) -> bool:
        return bool(self.rnd.random() < p)

    def name(self, letter: str) -> str:
        self.n += 1
        return f"{letter}{self.n}"

    def one(self, *choices: Any) -> Any:
        return choices[self.rnd.randint(0, len(choices) - 1)]

    # --- what refers to parameters ---------------------------------------------------------

    def comparison(self, element: str = "Comparison") -> str:
        name = self.one(*self.numbers)
        self.has(element)
        operator = self.one("==", "!=", "&lt;", "&lt;=", ">", ">=")
        value = self.one("0", "1", "2", "7", "2.5", "-1", "100", "0x10")
        calibrated = self.one("true", "false")
        return (
            f'<Comparison parameterRef="{name}" comparisonOperator="{operator}" value="{value}" '
            f'useCalibratedValue="{calibrated}"/>'
        )

    def condition(self) -> str:
        name, operator = self.one(*self.numbers), self.one("==", "!=", "&lt;", "&lt;=", ">", ">=")
        left = f'<ParameterInstanceRef parameterRef="{name}" useCalibratedValue="{self.one("true", "false")}"/>'
        if self.chance(0.3):
            self.has("Condition of two parameters")
            right = f'<ParameterInstanceRef parameterRef="{self.one(*self.numbers)}"/>'
        else:
            right = f"<Value>{self.rnd.randint(0, 9)}</Value>"
        return f"<Condition>{left}<ComparisonOperator>{operator}</ComparisonOperator>{right}</Condition>"

    def criteria(self) -> str:
        which = self.rnd.randint(0, 2)
        if which == 0:
            return self.comparison()
        if which == 1:
            self.has("ComparisonList")
            return "<ComparisonList>" + self.comparison() + self.comparison() + "</ComparisonList>"
        self.has("BooleanExpression")
        inner = self.condition()
        if self.chance(0.7):
            self.has("ANDedConditions")
            self.has("ORedConditions")
            inner = (
                f"<ORedConditions>{inner}<ANDedConditions>{self.condition()}{self.condition()}"
                "</ANDedConditions></ORedConditions>"
            )
        return f"<BooleanExpression>{inner}</BooleanExpression>"

    def dynamic(self, slope: str = "", most: int = 4) -> str:
        """A value that the packet gives."""
        if self.counts and self.chance(0.7):
            line = slope or self.one("", '<LinearAdjustment slope="2" intercept="1"/>')
            self.has("DynamicValue")
            if line:
                self.has("LinearAdjustment")
            name = self.one(*self.counts)
            return (
                f'<DynamicValue><ParameterInstanceRef parameterRef="{name}" '
                f'useCalibratedValue="false"/>{line}</DynamicValue>'
            )
        self.has("DiscreteLookupList")
        scale = 8 if "8" in slope else 1
        rows = "".join(
            f'<DiscreteLookup value="{self.rnd.randint(0, most) * scale}">{self.criteria()}</DiscreteLookup>'
            for _ in range(2)
        )
        return f"<DiscreteLookupList>{rows}</DiscreteLookupList>"

    def formula(self, this: bool) -> str:
        tokens, depth = [], 0
        for _ in range(self.rnd.randint(1, 6)):
            if depth >= 1 and self.chance(0.4):
                operator = self.one(*ONE)
                self.has(f"operator {operator}")
                tokens.append(f"<Operator>{_escape(operator)}</Operator>")
            elif depth >= 2 and self.chance(0.5):
                operator = self.one(*TWO, "swap", "over", "drop")
                self.has(f"operator {operator}")
                depth += {"swap": 0, "over": 1}.get(operator, -1)
                tokens.append(f"<Operator>{_escape(operator)}</Operator>")
            else:
                depth += 1
                which = self.rnd.randint(0, 2)
                if which == 0 and this:
                    self.has("ThisParameterOperand")
                    tokens.append("<ThisParameterOperand/>")
                elif which == 1:
                    self.has("ParameterInstanceRefOperand")
                    tokens.append(
                        f'<ParameterInstanceRefOperand parameterRef="{self.one(*self.numbers)}"/>'
                    )
                else:
                    self.has("ValueOperand")
                    tokens.append(
                        f"<ValueOperand>{self.one('0.5', '2', '-3', '10')}</ValueOperand>"
                    )
        tokens += ["<Operator>+</Operator>"] * (depth - 1)
        if depth == 1 and self.chance(0.2):
            self.has("operator dup")
            tokens += ["<Operator>dup</Operator>", "<Operator>*</Operator>"]
        return "".join(tokens)

    # --- types -----------------------------------------------------------------------------

    def calibrator(self) -> str:
        which = self.rnd.randint(0, 3)
        if which == 0:
            self.has("PolynomialCalibrator")
            terms = "".join(
                f'<Term exponent="{i}" coefficient="{self.rnd.randint(-40, 40) / 8}"/>'
                for i in range(self.rnd.randint(1, 4))
            )
            return f"<PolynomialCalibrator>{terms}</PolynomialCalibrator>"
        if which in (1, 2):
            order = self.rnd.randint(0, 1)
            self.has(f"SplineCalibrator of order {order}")
            points = "".join(
                f'<SplinePoint raw="{8 * i + self.rnd.randint(0, 7)}" calibrated="{self.rnd.randint(-9, 9)}.25"/>'
                for i in range(self.rnd.randint(2, 5))
            )
            return f'<SplineCalibrator order="{order}" extrapolate="{self.one("true", "false")}">{points}</SplineCalibrator>'
        self.has("MathOperationCalibrator")
        return f"<MathOperationCalibrator>{self.formula(True)}</MathOperationCalibrator>"

    def calibrators(self) -> str:
        parts = (
            f"<DefaultCalibrator>{self.calibrator()}</DefaultCalibrator>"
            if self.chance(0.4)
            else ""
        )
        if self.chance(0.15):
            self.has("ContextCalibrator")
            rows = "".join(
                f"<ContextCalibrator><ContextMatch>{self.criteria()}</ContextMatch>"
                f"<Calibrator>{self.calibrator()}</Calibrator></ContextCalibrator>"
                for _ in range(self.rnd.randint(1, 2))
            )
            parts += f"<ContextCalibratorList>{rows}</ContextCalibratorList>"
        return parts

    def integer_encoding(self, calibrated: bool = True, most: int = 64) -> str:
        coding = self.one(
            "unsigned",
            "twosComplement",
            "twosComplement",
            "signMagnitude",
            "onesComplement",
            "BCD",
            "packedBCD",
        )
        self.has(coding)
        if coding == "BCD":
            bits = 8 * self.rnd.randint(1, 4)
        elif coding == "packedBCD":
            bits = 4 * self.rnd.randint(1, 8)
        elif coding in ("unsigned", "twosComplement") and most > 64 and self.chance(0.15):
            bits = self.rnd.randint(65, 300)
            self.has("more than 64 bits")
        else:
            bits = self.rnd.randint(1, 64)
        order = ""
        if bits % 8 == 0 and self.chance(0.3):
            order = ' byteOrder="leastSignificantByteFirst"'
            self.has("leastSignificantByteFirst")
        inner = self.calibrators() if calibrated else ""
        return f'<IntegerDataEncoding sizeInBits="{bits}" encoding="{coding}"{order}>{inner}</IntegerDataEncoding>'

    def float_encoding(self, calibrated: bool = True) -> str:
        coding, bits = self.one(
            ("IEEE754_1985", 32),
            ("IEEE754", 64),
            ("IEEE754_1985", 16),
            ("MILSTD_1750A", 32),
            ("MILSTD_1750A", 48),
        )
        self.has(f"{coding} of {bits}")
        order = self.one("", ' byteOrder="leastSignificantByteFirst"')
        inner = self.calibrators() if calibrated else ""
        return f'<FloatDataEncoding sizeInBits="{bits}" encoding="{coding}"{order}>{inner}</FloatDataEncoding>'

    def type(self, depth: int = 0) -> tuple[str, str]:
        """(name, kind) of a new type."""
        kinds = [
            "integer",
            "integer",
            "float",
            "boolean",
            "enumerated",
            "string",
            "binary",
            "time",
            "duration",
        ]
        kind = self.one(*kinds, *(("aggregate", "array") if depth < 2 else ()))
        self.has(f"{kind} type")
        name = self.name("T")
        self.types.append(getattr(self, f"_{kind}")(name, depth))
        return name, kind

    def _integer(self, name: str, depth: int, kind: str = "Integer") -> str:
        encoding = (
            self.integer_encoding(most=300)
            if kind == "Integer" or self.chance(0.4)
            else self.float_encoding()
        )
        valid = ""
        if self.chance(0.15):
            self.has("ValidRange")
            valid = f'<ValidRange minInclusive="{self.rnd.randint(-5, 5)}" maxExclusive="{self.rnd.randint(6, 200)}" validRangeAppliesToCalibrated="{self.one("true", "false")}"/>'
        body = f"<UnitSet/>{encoding}{valid}"
        if self.chance(0.1):
            self.has("baseType")
            base = self.name("B")
            self.types.append(f'<{kind}ParameterType name="{base}">{body}</{kind}ParameterType>')
            return f'<{kind}ParameterType name="{name}" baseType="{base}"/>'
        return f'<{kind}ParameterType name="{name}">{body}</{kind}ParameterType>'

    def _float(self, name: str, depth: int) -> str:
        return self._integer(name, depth, "Float")

    def _boolean(self, name: str, depth: int) -> str:
        bits = self.rnd.randint(1, 9)
        return f'<BooleanParameterType name="{name}" oneStringValue="ON"><UnitSet/><IntegerDataEncoding sizeInBits="{bits}"/></BooleanParameterType>'

    def _enumerated(self, name: str, depth: int) -> str:
        coding = self.one("unsigned", "twosComplement")
        rows = "".join(f'<Enumeration value="{v}" label="L{v}"/>' for v in range(3))
        if self.chance(0.5):
            self.has("Enumeration maxValue")
            rows += '<Enumeration value="5" maxValue="9" label="MANY"/>'
        return f'<EnumeratedParameterType name="{name}"><UnitSet/><IntegerDataEncoding sizeInBits="{self.rnd.randint(2, 12)}" encoding="{coding}"/><EnumerationList>{rows}</EnumerationList></EnumeratedParameterType>'

    def _string(self, name: str, depth: int) -> str:
        charset = self.one(*CHARSETS)
        self.has(charset)
        width = WIDTHS.get(charset, 1)
        tail = self.one(
            "",
            "<TerminationChar/>",
            f"<TerminationChar>{'00' * (width - 1)}03</TerminationChar>",
            f'<LeadingSize sizeInBitsOfSizeTag="{self.one(5, 6, 8, 16)}"/>',
        )
        for word in ("TerminationChar", "LeadingSize"):
            if word in tail:
                self.has(word)
        which = self.rnd.randint(0, 2)
        if which == 0:
            self.has("string of fixed size")
            size = f"<SizeInBits><Fixed><FixedValue>{8 * self.rnd.randint(1, 12) + self.one(0, 0, 0, 3)}</FixedValue></Fixed>{tail}</SizeInBits>"
        elif which == 1 and tail:
            self.has("string that its content ends")
            size = f"<SizeInBits>{tail}</SizeInBits>"
        else:
            self.has("Variable")
            size = f'<Variable maxSizeInBits="999">{self.dynamic("<LinearAdjustment slope=" + chr(34) + "8" + chr(34) + "/>", 6)}{tail}</Variable>'
        return f'<StringParameterType name="{name}"><UnitSet/><StringDataEncoding encoding="{charset}">{size}</StringDataEncoding></StringParameterType>'

    def _binary(self, name: str, depth: int) -> str:
        if self.chance(0.4):
            self.has("binary of dynamic size")
            size = self.dynamic(most=40)
        else:
            size = f"<FixedValue>{self.rnd.randint(1, 120)}</FixedValue>"
        return f'<BinaryParameterType name="{name}"><UnitSet/><BinaryDataEncoding><SizeInBits>{size}</SizeInBits></BinaryDataEncoding></BinaryParameterType>'

    def _time(self, name: str, depth: int) -> str:
        epoch = self.one(
            "TAI",
            "GPS",
            "J2000",
            "UNIX",
            "1958-01-01",
            "2000-01-01T12:00:00",
            "2016-12-31T23:59:00",
        )
        self.has(f"epoch {epoch if epoch.isalpha() or epoch == 'J2000' else 'date'}")
        if self.chance(0.4) and not (epoch in ("TAI", "GPS", "J2000") and self.chance(0.5)):
            code = self.one("CUC 4+0", "CUC 4+2", "CUC 4+3", "CUC 4+6", "CUC 2+1", "CUC 4+3 P=2E")
            if epoch not in ("TAI", "GPS", "J2000") and self.chance(0.5):
                code = self.one("CDS 2+0", "CDS 2+2", "CDS 3+4", "CDS 2+2 P=41")
            self.has(code[:3])
            words = code.split()
            octets = (
                sum(int(x) for x in words[1].split("+"))
                + (4 if code[1] == "D" else 0)
                + ("P=" in code)
            )
            encoding = (
                f"<Encoding><BinaryDataEncoding><SizeInBits><FixedValue>{8 * octets}</FixedValue></SizeInBits>"
                f'<FromBinaryTransformAlgorithm name="c"><AlgorithmText language="CCSDS 301.0-B">{code}</AlgorithmText>'
                "</FromBinaryTransformAlgorithm></BinaryDataEncoding></Encoding>"
            )
        else:
            bits = self.one(16, 32, 40, 48, 64)
            scale, units = self.one(
                ("1", "seconds"),
                ("1e-3", "seconds"),
                ("1e-6", "seconds"),
                ("0.0000152587890625", "seconds"),
                ("1", "days"),
                ("1e3", "picoSeconds"),
            )
            inner = f'<IntegerDataEncoding sizeInBits="{bits}" encoding="{self.one("unsigned", "twosComplement")}"/>'
            if self.chance(0.2):
                self.has("time in a float")
                inner = '<FloatDataEncoding sizeInBits="64"/>'
            self.has(f"time in {units}")
            encoding = f'<Encoding units="{units}" scale="{scale}" offset="{self.one("0", "1.5", "-3")}">{inner}</Encoding>'
        return f'<AbsoluteTimeParameterType name="{name}">{encoding}<ReferenceTime><Epoch>{epoch}</Epoch></ReferenceTime></AbsoluteTimeParameterType>'

    def _duration(self, name: str, depth: int) -> str:
        inner = self.integer_encoding(False) if self.chance(0.7) else self.float_encoding(False)
        return f'<RelativeTimeParameterType name="{name}"><Encoding scale="{self.one("1", "0.001", "2.5")}" offset="{self.one("0", "4")}">{inner}</Encoding></RelativeTimeParameterType>'

    def _aggregate(self, name: str, depth: int) -> str:
        members = "".join(
            f'<Member name="m{i}" typeRef="{self.type(depth + 1)[0]}"/>'
            for i in range(self.rnd.randint(1, 3))
        )
        return f'<AggregateParameterType name="{name}"><MemberList>{members}</MemberList></AggregateParameterType>'

    def _array(self, name: str, depth: int) -> str:
        inner, _ = self.type(depth + 1)
        dimensions = ""
        for i in range(self.rnd.randint(1, 2)):
            first = self.rnd.randint(0, 1)
            last = f"<FixedValue>{first + self.rnd.randint(0, 2)}</FixedValue>"
            if i == 0 and self.chance(0.4):
                self.has("array of dynamic size")
                last = self.dynamic(most=3)
            dimensions += f"<Dimension><StartingIndex><FixedValue>{first}</FixedValue></StartingIndex><EndingIndex>{last}</EndingIndex></Dimension>"
        return f'<ArrayParameterType name="{name}" arrayTypeRef="{inner}"><DimensionList>{dimensions}</DimensionList></ArrayParameterType>'

    # --- parameters, containers ------------------------------------------------------------

    def parameter(self, type_name: str) -> str:
        name = self.name("P")
        self.parameters.append(f'<Parameter name="{name}" parameterTypeRef="{type_name}"/>')
        return name

    def entry(self) -> str:
        inner = ""
        if self.chance(0.12):
            anchor = self.one("previousEntry", "containerStart")
            self.has(f"LocationInContainerInBits {anchor}")
            value = f"<FixedValue>{self.rnd.randint(0, 12) + (60 if anchor == 'containerStart' else 0)}</FixedValue>"
            if anchor == "previousEntry" and self.chance(0.3):
                value = self.dynamic()
            inner += f'<LocationInContainerInBits referenceLocation="{anchor}">{value}</LocationInContainerInBits>'
        repeated = self.chance(0.1)
        if repeated:
            self.has("RepeatEntry")
            count = f"<FixedValue>{self.rnd.randint(0, 3)}</FixedValue>"
            if self.chance(0.5):
                self.has("RepeatEntry, dynamic")
                count = self.dynamic(most=3)
            gap = ""
            if self.chance(0.3):
                self.has("RepeatEntry with Offset")
                gap = f"<Offset><FixedValue>{self.rnd.randint(0, 9)}</FixedValue></Offset>"
            inner += f"<RepeatEntry><Count>{count}</Count>{gap}</RepeatEntry>"
        if self.chance(0.15):
            self.has("IncludeCondition")
            inner += f"<IncludeCondition>{self.criteria()}</IncludeCondition>"
        if self.chance(0.2):
            name = self.parameter("COUNT")
            later, kind = [self.counts, self.numbers], "count"
        else:
            type_name, kind = self.type()
            name, later = (
                self.parameter(type_name),
                [self.numbers] if kind in ("integer", "float") else [],
            )
        if not repeated:
            for names in later:
                names.append(name)
        tag = (
            "ArrayParameterRefEntry"
            if kind == "array" and self.chance(0.5)
            else "ParameterRefEntry"
        )
        return f'<{tag} parameterRef="{name}">{inner}</{tag}>'

    def restriction(self, apid: int, kind: int | None) -> str:
        parts = [
            f'<Comparison parameterRef="{self.one("APID", "./APID", "/R/APID")}" value="{apid}"/>'
        ]
        if kind is not None:
            parts.append(
                f'<Comparison parameterRef="KIND" value="{kind}" comparisonOperator="=="/>'
            )
        if self.chance(0.2) and kind is None:
            return (
                '<BooleanExpression><Condition><ParameterInstanceRef parameterRef="APID"/>'
                f"<ComparisonOperator>==</ComparisonOperator><Value>{apid}</Value></Condition></BooleanExpression>"
            )
        return f"<ComparisonList>{''.join(parts)}</ComparisonList>" if len(parts) > 1 else parts[0]

    def database(self) -> Drawn:
        containers = ""
        header = "".join(f'<ParameterRefEntry parameterRef="{n}"/>' for n, _ in HEADER)
        kinds = self.chance(0.4)
        if kinds:
            header += '<ParameterRefEntry parameterRef="KIND"/>'
            self.drawn.kinds = 2
        containers += f'<SequenceContainer name="ROOT" abstract="true"><EntryList>{header}</EntryList></SequenceContainer>'
        base = ["APID", "SEQC", *(["KIND"] if kinds else [])]
        for c in range(self.rnd.randint(1, 3)):
            apid = 100 + c
            self.drawn.apids.append(apid)
            if self.chance(0.5):
                self.has("newest value of another container")
                self.numbers = [*base, *self.numbers]
            else:
                self.numbers, self.counts = list(base), []
            inside = ""
            if self.chance(0.2):
                self.has("ContainerRefEntry")
                part = self.name("C")
                containers += f'<SequenceContainer name="{part}"><EntryList>{self.entry()}{self.entry()}</EntryList></SequenceContainer>'
                inside = f'<ContainerRefEntry containerRef="{part}"/>'
            entries = "".join(self.entry() for _ in range(self.rnd.randint(1, 7))) + inside
            kind = self.rnd.randint(0, 1) if kinds and self.chance(0.7) else None
            containers += (
                f'<SequenceContainer name="BODY{c}"><EntryList>{entries}</EntryList>'
                f'<BaseContainer containerRef="ROOT"><RestrictionCriteria>{self.restriction(apid, kind)}'
                "</RestrictionCriteria></BaseContainer></SequenceContainer>"
            )
            if self.chance(0.4):
                self.derived()
        self.drawn.xml = self.document(containers)
        return self.drawn

    def derived(self) -> None:
        name = self.parameter("DERIVED")
        trigger = self.one(*self.numbers)
        if self.chance(0.5):
            self.has("MathAlgorithm")
            self.algorithms.append(
                f'<MathAlgorithm name="{self.name("A")}"><MathOperation outputParameterRef="{name}">'
                f'{self.formula(False)}<TriggerSet><OnParameterUpdateTrigger parameterRef="{trigger}"/></TriggerSet>'
                "</MathOperation></MathAlgorithm>"
            )
        else:
            self.has("CustomAlgorithm")
            other = self.one(*self.numbers)
            text = self.one(
                "a + b * k",
                "max(a, b) / k",
                "-a ** 2 % 7 + !b",
                "abs(a - b) &gt; 3 &amp;&amp; a != b",
                "(a + 1) * (b - k) - sin(a)",
            )
            self.algorithms.append(
                f'<CustomAlgorithm name="{self.name("A")}"><AlgorithmText language="heartline">{text}</AlgorithmText>'
                f'<InputSet><InputParameterInstanceRef parameterRef="{trigger}" inputName="a"/>'
                f'<InputParameterInstanceRef parameterRef="{other}" inputName="b" useCalibratedValue="false"/>'
                '<Constant constantName="k" value="2.5"/></InputSet>'
                f'<OutputSet><OutputParameterRef parameterRef="{name}"/></OutputSet></CustomAlgorithm>'
            )
        self.numbers.append(name)

    def document(self, containers: str) -> str:
        head = "".join(f'<Parameter name="{n}" parameterTypeRef="U{b}"/>' for n, b in HEADER)
        count = f'<IntegerParameterType name="COUNT"><UnitSet/><IntegerDataEncoding sizeInBits="{self.rnd.randint(2, 4)}"/></IntegerParameterType>'
        kind = '<IntegerParameterType name="KINDT"><UnitSet/><IntegerDataEncoding sizeInBits="8"/></IntegerParameterType>'
        derived = '<FloatParameterType name="DERIVED"><UnitSet/></FloatParameterType>'
        types = f"<ParameterTypeSet>{HEADER_TYPES}{count}{kind}{derived}{''.join(self.types)}</ParameterTypeSet>"
        parameters = (
            f'{head}<Parameter name="KIND" parameterTypeRef="KINDT"/>{"".join(self.parameters)}'
        )
        algorithms = (
            f"<AlgorithmSet>{''.join(self.algorithms)}</AlgorithmSet>" if self.algorithms else ""
        )
        rest = f"<ParameterSet>{parameters}</ParameterSet><ContainerSet>{containers}</ContainerSet>{algorithms}"
        command = ""
        if self.chance(0.2):
            self.has("CommandMetaData passed over")
            command = "<CommandMetaData/>"
        if self.chance(0.3):  # types in the outer system, what uses them in an inner one
            self.has("nested SpaceSystem")
            rest = rest.replace("/R/APID", "/R/IN/APID").replace('"./APID"', '"../IN/APID"')
            types = types.replace('parameterRef="', 'parameterRef="IN/')
            return f'<SpaceSystem name="R"><TelemetryMetaData>{types}</TelemetryMetaData>{command}<SpaceSystem name="IN"><TelemetryMetaData>{rest}</TelemetryMetaData></SpaceSystem></SpaceSystem>'
        return f'<SpaceSystem name="R"><TelemetryMetaData>{types}{rest}</TelemetryMetaData>{command}</SpaceSystem>'

    def packets(self, n: int) -> list[bytes]:
        """Packets for the containers, mostly of small numbers, some too short or of nobody."""
        made = []
        for i in range(n):
            size = self.one(*([self.rnd.randint(1, 30)] * 2), *([self.rnd.randint(30, 250)] * 6))
            style = self.rnd.random()
            top = 255 if style < 0.3 else 3 if style < 0.7 else 40
            body = bytearray(self.rnd.randint(0, top) for _ in range(size))
            if self.drawn.kinds:
                body[0] = self.rnd.randint(0, 1) if self.chance(0.9) else body[0]
            apid = self.one(*self.drawn.apids) if self.chance(0.97) else 999
            made.append(
                struct.pack(">HHH", 0x0800 | apid, 0xC000 | i % 16384, size - 1) + bytes(body)
            )
        return made


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
