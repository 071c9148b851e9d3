"""Recognises, by its first bytes, what is fed by mistake instead of packets, and names it."""

from __future__ import annotations

ASM = bytes.fromhex("1acffc1d")  # attached sync marker (CCSDS 131.0-B, 9.3)
_MAGIC = (
    (bytes.fromhex("d4c3b2a1"), "a pcap capture"),
    (bytes.fromhex("a1b2c3d4"), "a pcap capture"),
    (bytes.fromhex("4d3cb2a1"), "a pcap capture"),
    (bytes.fromhex("a1b23c4d"), "a pcap capture"),
    (b"ULog\x01\x12\x35", "a PX4 ULog: `heartline import` reads it"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"PAR1", "a Parquet file: `heartline import` reads it"),
    (b"<?xml", "XML: is it the database, and not the packets?"),
)
_PCAPNG, _ORDERS = b"\n\r\r\n", (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")
_PAYLOAD = (
    "take its payloads out first: tshark -r FILE -T fields -e udp.payload | xxd -r -p > packets.bin"
)
LOOKED_AT = 1 << 16  # bytes


def capture(head: bytes) -> str:
    """What a file or stream with these first bytes is, as text for people; empty: unknown.

    A sync marker could be a packet's header: it is accepted only if it repeats at a constant
    distance.
    """
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return f"{what}: {_PAYLOAD}" if "pcap" in what else what
    if head.startswith(_PCAPNG) and head[8:12] in _ORDERS:
        return f"a pcapng capture: {_PAYLOAD}"
    apart = head.find(ASM, len(ASM)) if head.startswith(ASM) else -1
    if apart > 0 and head[2 * apart : 2 * apart + 4] == ASM:
        return (
            f"transfer frames of {apart - 4} bytes, each behind a sync marker (CCSDS 131.0-B): "
            "their packets must be taken out of them first"
        )
    return ""
