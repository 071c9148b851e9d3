"""Mission database: XTCE 1.2 in, frozen definitions out. What is not supported is refused."""

from pipeline.mdb.load import load_xtce

__all__ = ["load_xtce"]
