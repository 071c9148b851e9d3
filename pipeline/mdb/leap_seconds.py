"""UTC's leap seconds (IERS Bulletin C): TAI - UTC, a step at the beginning of each date.

Valid until a bulletin announces the next step; none is announced to the end of 2026. TAI - UTC was
10 s in 1972; the rubber seconds before it are not followed.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from schemas.columns import SECOND

_STEPS = (
    (1972, 1), (1972, 7), (1973, 1), (1974, 1), (1975, 1), (1976, 1), (1977, 1), (1978, 1),
    (1979, 1), (1980, 1), (1981, 7), (1982, 7), (1983, 7), (1985, 7), (1988, 1), (1990, 1),
    (1991, 1), (1992, 7), (1993, 7), (1994, 7), (1996, 1), (1997, 7), (1999, 1), (2006, 1),
    (2009, 1), (2012, 7), (2015, 7), (2017, 1),
)  # fmt: skip
# from this moment of UTC on (ns since 1970), TAI is ahead of UTC by so many ns
LEAP_UTC_NS = np.array(
    [int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * SECOND for year, month in _STEPS],
    np.int64,
)
LEAP_OFFSET_NS = np.array([(10 + i) * SECOND for i in range(len(_STEPS))], np.int64)
LEAP_TAI_NS = LEAP_UTC_NS + LEAP_OFFSET_NS  # the same moments on the scale of TAI


def tai_of(utc_ns: int) -> int:
    """A moment of UTC as ns since 1970 on the TAI scale."""
    i = int(np.searchsorted(LEAP_UTC_NS, utc_ns, side="right")) - 1
    return utc_ns + int(LEAP_OFFSET_NS[max(i, 0)])
