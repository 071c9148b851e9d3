"""The chain of one source: what becomes of a packet, from bytes to alerts."""

from pipeline.chain.chain import Chain, Fed

__all__ = ["Chain", "Fed"]
