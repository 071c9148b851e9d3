"""A nominal flight: smooth profiles against mission time, and the noise of each sensor."""

from __future__ import annotations

import numpy as np

from pipeline.simulate.vehicle import PHASES
from schemas.columns import F8

START, END = -300.0, 600.0  # mission time (T+) of the first and last sample, s
BURNS = ((-1.5, 160.0, 1.0), (390.0, 412.0, 0.6), (488.0, 512.0, 0.45))  # from, to, throttle
LIFTOFF, MECO, TOUCHDOWN = 0.0, 160.0, 512.0
_PHASE_STARTS = (-np.inf, LIFTOFF, MECO, 390.0, 412.0, 488.0, TOUCHDOWN)
assert len(_PHASE_STARTS) == len(PHASES)


def throttle(t: F8, rise: float = 0.4) -> F8:
    """Engine power 0..1, following each command with a time constant of `rise` s."""
    power = np.zeros_like(t)
    for on, off, level in BURNS:
        up = level * -np.expm1(-np.clip(t - on, 0, None) / rise)
        at_off = level * -np.expm1(-(off - on) / rise)
        power += np.where(t < off, up, at_off * np.exp(-np.clip(t - off, 0, None) / rise))
    return power


def phase(t: F8) -> F8:
    return np.searchsorted(np.array(_PHASE_STARTS), t, side="right").astype(float) - 1


def altitude(t: F8) -> F8:
    """m: up under power, over the top, and down to the pad."""
    knots = [0, 20, 60, 110, 160, 260, 330, 390, 412, 450, 488, 505, 512]
    heights = [0, 900, 9e3, 3.2e4, 6.8e4, 1.2e5, 1.08e5, 6.2e4, 4.0e4, 1.5e4, 4.0e3, 300, 0]
    return np.interp(t, knots, heights)


def velocity(t: F8) -> F8:
    knots = [0, 20, 60, 110, 160, 260, 390, 412, 450, 488, 512]
    speeds = [0, 95, 340, 1000, 1850, 700, 1250, 780, 500, 260, 0]
    return np.interp(t, knots, speeds)


def dynamic_pressure(t: F8) -> F8:
    """Relative to max-Q, about T+66 s on the way up."""
    density = np.exp(-altitude(t) / 8000.0)
    return density * velocity(t) ** 2 / 5.0e4


def pressurant_used(t: F8) -> F8:
    """bar of helium used so far."""
    used = np.zeros_like(t)
    for on, off, level in BURNS:
        used += 0.42 * level * np.clip(t - on, 0, off - on)
    return used


def propellant_left(t: F8) -> F8:
    """Percent."""
    left = np.full_like(t, 98.0)
    for on, off, level in BURNS:
        left -= 0.5 * level * np.clip(t - on, 0, off - on)
    return left


def regulated(t: F8, set_point: float, period: float, start: float) -> F8:
    """A bang-bang regulator's triangle about its set point."""
    turn = np.abs(((t + start) / period) % 1.0 - 0.5) * 4.0 - 1.0
    return set_point + 0.03 * turn


def profiles(t: dict[str, F8], rng: np.random.Generator) -> dict[str, F8]:
    """Engineering values of every parameter without noise. t: mission times a table."""
    e, v, k, h, i, b, s = (t[n] for n in t)
    p = throttle(e)
    hot, slow = throttle(h, 4.0), throttle(h, 6.0)
    vib, shake = throttle(v), dynamic_pressure(v)
    level = propellant_left(k)
    mass = 30.0 + 4.0 * propellant_left(i)
    offset = rng.normal(0, 1, 12)
    return {
        "PC": 97.0 * p + 0.3 * offset[0],
        "TP_SPEED": 36000.0 * throttle(e, 0.8) * (1 + 0.002 * offset[1]),
        "TP_OUT_P": 165.0 * p + 3.0,
        "MFV_POS": 4.0 + 88.0 * throttle(e, 0.15),
        "MOV_POS": 4.0 + 90.0 * throttle(e, 0.15),
        "MFV_CURR": 1.2 + 2.4 * throttle(e, 0.1) + 0.05 * offset[2],
        "TP_VIB_LF": 0.05 + 2.2 * vib + 0.8 * shake,
        "TP_VIB_1X": 0.05 + 3.0 * vib + 0.2 * shake,
        "TP_VIB_BRG": 0.05 + 2.0 * vib + 0.1 * shake,
        "TP_VIB_HF": 0.05 + 3.5 * vib + 0.3 * shake,
        "ACOU_LOW": 60.0 + 70.0 * vib * np.exp(-altitude(v) / 3e4) + 8.0 * np.minimum(shake, 1),
        "ACOU_MID": 55.0 + 68.0 * vib * np.exp(-altitude(v) / 3e4) + 9.0 * np.minimum(shake, 1),
        "ACOU_HIGH": 50.0 + 62.0 * vib * np.exp(-altitude(v) / 3e4) + 9.0 * np.minimum(shake, 1),
        "LOX_P": regulated(k, 3.0, 7.0, 3 * offset[3]),
        "FUEL_P": regulated(k, 2.8, 9.0, 3 * offset[4]),
        "LOX_T": 90.3 + 0.1 * offset[5] + 0.0006 * (k - START),
        "FUEL_T": 288.0 + 0.5 * offset[6] + 0.002 * (k - START),
        "HE_P": 300.0 + 2.0 * offset[7] - pressurant_used(k),
        "LOX_LEVEL": level,
        "FUEL_LEVEL": level + 0.5,
        "BRG_TEMP": 290.0 + 65.0 * slow + 2.0 * offset[8],
        "TURB_TEMP": 300.0 + 560.0 * hot + 4.0 * offset[9],
        "AVIONICS_T": 296.0 + 0.006 * (h - START) + offset[10],
        "BATT_T": 298.0 + 0.008 * (h - START) + offset[11],
        "ACC_X": 9.81 * (phase(i) != 2) + 3600.0 * throttle(i) / mass,
        "ACC_Y": np.zeros_like(i),
        "ACC_Z": np.zeros_like(i),
        "GYR_X": np.zeros_like(i),
        "GYR_Y": -0.5 * ((i > 15) & (i < 150)),
        "GYR_Z": np.zeros_like(i),
        "BARO_P_A": 1013.25 * np.exp(-altitude(b) / 8000.0),
        "BARO_P_B": 1013.25 * np.exp(-altitude(b) / 8000.0) + 0.4,
        "PHASE": phase(s),
        "ENGINE_ON": (throttle(s) > 0.05).astype(float),
        "ALT": altitude(s),
        "VEL": velocity(s),
        "BATT_V": 28.6 - 0.0012 * (s - START) - 0.25 * (throttle(s) > 0.05),
        "BATT_I": 8.0 + 4.0 * (throttle(s) > 0.05),
    }


# standard deviation of white noise; those in RELATIVE are fractions of the value
NOISE = {
    "PC": 0.35, "TP_SPEED": 25.0, "TP_OUT_P": 0.8, "MFV_POS": 0.05, "MOV_POS": 0.05,
    "MFV_CURR": 0.06, "LOX_P": 0.006, "FUEL_P": 0.006, "LOX_T": 0.03, "FUEL_T": 0.05,
    "HE_P": 0.35, "LOX_LEVEL": 0.05, "FUEL_LEVEL": 0.05, "BRG_TEMP": 0.5, "TURB_TEMP": 2.0,
    "AVIONICS_T": 0.1, "BATT_T": 0.1, "ACC_X": 0.6, "ACC_Y": 0.6, "ACC_Z": 0.6, "GYR_X": 0.3,
    "GYR_Y": 0.3, "GYR_Z": 0.3, "BARO_P_A": 0.15, "BARO_P_B": 0.15, "ALT": 2.0, "VEL": 0.5,
    "BATT_V": 0.02, "BATT_I": 0.1, "ACOU_LOW": 0.6, "ACOU_MID": 0.6, "ACOU_HIGH": 0.6,
}  # fmt: skip
RELATIVE = {"TP_VIB_LF": 0.08, "TP_VIB_1X": 0.06, "TP_VIB_BRG": 0.08, "TP_VIB_HF": 0.06}
