"""The vehicle's telemetry: its packets, parameters, units and limits."""

from __future__ import annotations

import math

from pipeline.formats.spec import Column, Table
from schemas.mission import AlarmRanges

SYSTEM = "HL1"
_INF = math.inf
PHASES = ("COUNTDOWN", "ASCENT", "COAST", "ENTRY", "DESCENT", "LANDING", "RECOVERY")


def _limits(
    warning: tuple[float, float], critical: tuple[float, float], violations: int = 5
) -> AlarmRanges:
    return AlarmRanges(
        (-_INF, warning[0], -_INF, critical[0], -_INF),
        (_INF, warning[1], _INF, critical[1], _INF),
        violations,
    )


def _f4(name: str, unit: str, words: str, alarm: AlarmRanges | None = None) -> Column:
    return Column(name, "f4", unit, words, alarm=alarm)


def _band(name: str, words: str, top: float) -> Column:
    """A band level: RMS over one packet's interval."""
    alarm = _limits((-_INF, 0.8 * top), (-_INF, top), 10)
    return Column(name, "u2", "g", words, (0.0, 0.001), alarm=alarm)


ENGINE = Table("ENGINE", 100, (
    _f4("PC", "bar", "Chamber pressure", _limits((-_INF, 112.0), (-_INF, 118.0))),
    Column("TP_SPEED", "u2", "rpm", "Turbopump speed", (0.0, 0.75),
           alarm=_limits((-_INF, 38500.0), (-_INF, 40000.0))),
    _f4("TP_OUT_P", "bar", "Pump outlet pressure", _limits((-_INF, 190.0), (-_INF, 200.0))),
    Column("MFV_POS", "u2", "%", "Main fuel valve position", (0.0, 0.002)),
    Column("MOV_POS", "u2", "%", "Main oxidiser valve position", (0.0, 0.002)),
    Column("MFV_CURR", "u2", "A", "Main fuel valve actuator current", (0.0, 0.0005),
           alarm=_limits((-_INF, 7.5), (-_INF, 9.0))),
), "Engine, 100 Hz", "us")  # fmt: skip
VIBRATION = Table("VIBRATION", 101, (
    _band("TP_VIB_LF", "Turbopump vibration, 10 to 100 Hz", 12.0),
    _band("TP_VIB_1X", "Turbopump vibration, rotation", 14.0),
    _band("TP_VIB_BRG", "Turbopump vibration, bearing band", 10.0),
    _band("TP_VIB_HF", "Turbopump vibration, 2 to 10 kHz", 14.0),
    Column("ACOU_LOW", "u2", "dB", "Acoustics, 31 to 125 Hz", (0.0, 0.01)),
    Column("ACOU_MID", "u2", "dB", "Acoustics, 250 to 1000 Hz", (0.0, 0.01)),
    Column("ACOU_HIGH", "u2", "dB", "Acoustics, 2 to 8 kHz", (0.0, 0.01)),
), "Vibration and acoustics as band levels, 20 Hz", "us")  # fmt: skip
TANKS = Table("TANKS", 102, (
    _f4("LOX_P", "bar", "LOX tank pressure", _limits((2.2, 3.8), (1.8, 4.2))),
    _f4("FUEL_P", "bar", "Fuel tank pressure", _limits((2.0, 3.6), (1.6, 4.0))),
    _f4("LOX_T", "K", "LOX tank temperature", _limits((-_INF, 93.0), (-_INF, 94.0))),
    _f4("FUEL_T", "K", "Fuel tank temperature", _limits((-_INF, 300.0), (-_INF, 305.0))),
    _f4("HE_P", "bar", "Helium bottle pressure", _limits((175.0, 320.0), (150.0, 335.0))),
    Column("LOX_LEVEL", "u2", "%", "LOX level", (0.0, 0.002)),
    Column("FUEL_LEVEL", "u2", "%", "Fuel level", (0.0, 0.002)),
), "Propellant tanks and pressurant, 10 Hz", "us")  # fmt: skip
THERMAL = Table("THERMAL", 103, (
    Column("BRG_TEMP", "i2", "K", "Turbopump bearing temperature", (0.0, 0.05),
           alarm=_limits((-_INF, 420.0), (-_INF, 450.0), 3)),
    Column("TURB_TEMP", "i2", "K", "Turbine inlet temperature", (0.0, 0.05),
           alarm=_limits((-_INF, 1050.0), (-_INF, 1100.0), 3)),
    Column("AVIONICS_T", "i2", "K", "Avionics bay temperature", (0.0, 0.02),
           alarm=_limits((263.0, 333.0), (253.0, 343.0), 3)),
    Column("BATT_T", "i2", "K", "Battery temperature", (0.0, 0.02),
           alarm=_limits((273.0, 328.0), (263.0, 338.0), 3)),
), "Temperatures, 5 Hz", "us")  # fmt: skip
IMU = Table("IMU", 104, (
    Column("ACC_X", "i2", "m/s2", "Axial acceleration", (0.0, 0.005)),
    Column("ACC_Y", "i2", "m/s2", "Lateral acceleration", (0.0, 0.005)),
    Column("ACC_Z", "i2", "m/s2", "Lateral acceleration", (0.0, 0.005)),
    Column("GYR_X", "i2", "deg/s", "Roll rate", (0.0, 0.005),
           alarm=_limits((-20.0, 20.0), (-30.0, 30.0), 20)),
    Column("GYR_Y", "i2", "deg/s", "Pitch rate", (0.0, 0.005),
           alarm=_limits((-20.0, 20.0), (-30.0, 30.0), 20)),
    Column("GYR_Z", "i2", "deg/s", "Yaw rate", (0.0, 0.005),
           alarm=_limits((-20.0, 20.0), (-30.0, 30.0), 20)),
), "Inertial measurement, 1 kHz", "us")  # fmt: skip
BARO = Table("BARO", 105, (
    _f4("BARO_P_A", "hPa", "Static pressure, sensor A"),
    _f4("BARO_P_B", "hPa", "Static pressure, sensor B"),
), "Barometers, 25 Hz", "us")  # fmt: skip
VEHICLE = Table("VEHICLE", 106, (
    Column("PHASE", "u1", "", "Flight phase", labels=tuple(enumerate(PHASES))),
    Column("ENGINE_ON", "u1", "", "Engine command", boolean=True),
    _f4("ALT", "m", "Altitude"),
    _f4("VEL", "m/s", "Velocity"),
    Column("BATT_V", "u2", "V", "Battery voltage", (0.0, 0.001),
           alarm=_limits((25.0, 32.0), (24.0, 33.0))),
    Column("BATT_I", "u2", "A", "Battery current", (0.0, 0.002)),
), "Vehicle state and power, 1 Hz", "us")  # fmt: skip

TABLES = (ENGINE, VIBRATION, TANKS, THERMAL, IMU, BARO, VEHICLE)
RATES = {"ENGINE": 100, "VIBRATION": 20, "TANKS": 10, "THERMAL": 5, "IMU": 1000, "BARO": 25,
         "VEHICLE": 1}  # Hz  # fmt: skip
