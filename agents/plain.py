"""Text from outside, made fit to be shown: on a screen, in a log line, in a label.

What packets, units, keys, sentences and notes of people hold is data. A terminal takes some
characters as orders (clear, retitle, link), and some turn the order of what stands beside them.
"""

from __future__ import annotations

import unicodedata

MOST = 200
# controls (C0, DEL, C1), format characters (bidi and invisible ones among them), lone surrogates,
# and what ends a line or paragraph
_ESCAPED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def plain(text: object, most: int = MOST) -> str:
    r"""One line of at most `most` characters, cut with '…'; what is no sign is escaped as \xNN.

    bytes are read as UTF-8, what is none of it escaped too. It never raises, and looks at no more
    than `most` characters, however long the text is.
    """
    if isinstance(text, bytes | bytearray | memoryview):
        text = bytes(text[: 4 * most + 4]).decode(errors="backslashreplace")
    whole = text if isinstance(text, str) else str(text)
    out, size = [], 0
    for sign in whole[: most + 1]:
        piece = _escaped(sign) if unicodedata.category(sign) in _ESCAPED else sign
        out.append(piece)
        size += len(piece)
        if size > most:
            return _cut(out, size, most)
    return "".join(out)


def _escaped(sign: str) -> str:
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cut(pieces: list[str], size: int, most: int) -> str:
    """Whole pieces alone, so that no escape is cut in two, and a sign that says there was more."""
    while pieces and size > most - 1:
        size -= len(pieces.pop())
    return "".join(pieces) + "…" if most > 0 else ""
