"""Numbers of the space packet (CCSDS 133.0-B-2, 4.1.3)."""

from __future__ import annotations

HEADER_BYTES = 6
MAX_PACKET_BYTES = 65542  # 6 + 65536, 4.1.3.5.3
APIDS = 2048
IDLE_APID = 2047  # 4.1.3.3.4.4
SEQUENCE_MODULO = 16384  # 4.1.3.4.3
