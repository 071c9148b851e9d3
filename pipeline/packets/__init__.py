"""CCSDS space packets (133.0-B): out of byte streams, and out of records of telemetry.raw."""

from pipeline.packets.reader import PacketReader
from pipeline.packets.reassembly import Reassembler
from pipeline.packets.scanner import Scanned, Scanner

__all__ = ["PacketReader", "Reassembler", "Scanned", "Scanner"]
