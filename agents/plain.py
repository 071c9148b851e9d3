"""Texts from outside made harmless: data for screens, logs and labels, never codes."""

from __future__ import annotations

import unicodedata

LONGEST = 200
_ODD = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (bidi overrides), surrogates, separators


def plain(text: object, most: int = LONGEST) -> str:
    """`text` with everything that is no visible character written out, cut to `most` characters."""
    cut = str(text)[: most + 1]
    if len(cut) > most:
        cut = cut[: most - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(_written(c) if unicodedata.category(c) in _ODD else c for c in cut)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()
