"""What comes from outside is shown as one harmless line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.host.plain import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("TP_VIB_BRG is 3 °C → Ω 漢", "TP_VIB_BRG is 3 °C → Ω 漢"),
        ("a\x1b]0;owned\x07b", "a\\x1b]0;owned\\x07b"),
        ("a\nb\tc\r\0", "a\\x0ab\\x09c\\x0d\\x00"),
        ("\x7f\x9b31m", "\\x7f\\x9b31m"),
        ("\u202egpj\u2066\u2069", "\\u202egpj\\u2066\\u2069"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("[/s][link=x]", "[/s][link=x]"),  # markup is text: nobody reads it as more
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        (None, "None"),
        ("", ""),
    ],
)
def test_what_a_terminal_obeys_is_escaped(text: object, shown: str) -> None:
    assert plain(text) == shown


def test_cut_with_a_sign_and_never_inside_an_escape() -> None:
    assert plain("abcdef", 6) == "abcdef"
    assert plain("abcdefg", 6) == "abcde…"
    assert plain("abc\x1bdef", 7) == "abc…"
    assert plain(b"x" * 1000, 5) == "xxxx…"


@given(st.one_of(st.text(), st.binary()), st.integers(0, 50))
def test_printable_and_short_whatever_comes(text: str | bytes, most: int) -> None:
    shown = plain(text, most)
    assert len(shown) <= most
    assert all(sign.isprintable() or sign.isspace() for sign in shown)
    assert "\n" not in shown
    shown.encode()
