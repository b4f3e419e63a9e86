"""`visible`: text of users, stores and trials with control characters escaped, safe to show on a terminal."""

from __future__ import annotations

import re

# Characters that a terminal obeys instead of showing, or that reorder or hide others: C0 and C1 controls, direction
# marks and overrides, separators, invisible characters, tags, and lone surrogates. The joiners U+200C and U+200D stay:
# scripts and emoji need them.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff"
)
_IN_TEXT = re.compile(f"[{_HIDDEN}]")
_IN_LINE = re.compile(f"[\t\n{_HIDDEN}]")
_COLOURS = re.compile("(\x1b\\[[0-9;]{0,40}m)")


def visible(text: str) -> str:
    """Return a text in which control, invisible and direction characters are written as Python writes them in strings.

    Line breaks and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _IN_TEXT.sub(_escaped, text.replace("\r\n", "\n"))


def visible_line(text: str) -> str:
    """Return a name, a label or a path as `visible` does, with line breaks and tabs escaped, too."""
    return text if text.isascii() and text.isprintable() else _IN_LINE.sub(_escaped, text)


def visible_but_colours(text: str) -> str:
    """Return the output of a program as `visible` does, but keep the sequences that set colours."""
    parts = _COLOURS.split(text)
    return "".join(part if number % 2 else visible(part) for number, part in enumerate(parts))


def _escaped(found: re.Match[str]) -> str:
    """Return one character as Python writes it in a string."""
    code = ord(found[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def visible_json(text: str, encoding: str) -> str:
    """Return JSON with JSON escapes for the characters that `visible` escapes, or that the encoding lacks."""
    hidden = _IN_TEXT.sub(_json_escape, text)
    return hidden if _fits(hidden, encoding) else "".join(_fitting(character, encoding) for character in hidden)


def _fitting(character: str, encoding: str) -> str:
    return character if _fits(character, encoding) else _json_escape(character)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _json_escape(found: re.Match[str] | str) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
