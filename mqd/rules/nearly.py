"""What a text nearly is: the number, time, window, duration or date that its author meant."""

from __future__ import annotations

import re
from typing import Final

_FLAWS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence)
    for pattern, sentence in (
        (r"[-+]?\.?(inf(inity)?|nan)", "it is not a finite number"),
        (r"[-+]?0[xob][0-9a-f_]+", "write it in decimal digits"),
        (r"[-+]?[0-9.]*[0-9]e[-+]?[0-9]+", "write it without an exponent"),
        (r"[-+]?[0-9][0-9_,.]*[_,][0-9_,.]*", "write it without `_` or `,` between the digits"),
        (r"\+.*[0-9.]", "write it without `+`"),
        (r"-?0[0-9]+(\.[0-9]*)?", "write it without a leading 0"),
        (r"-?(\.[0-9]+|[0-9]+\.)", "write a digit on both sides of the point"),
        (r"-?[0-9.]+ ?%", "write a share as a ratio: 0.003 is 0.3 %"),
        (r"-?[$\u20ac] ?[0-9.]+", "write the number alone; `unit` says what it is in"),
        (r"-?[0-9]{16,}(\.[0-9]*)?|-?[0-9]+\.[0-9]{13,}", "it has too many digits"),
    )
)
_TIME = re.compile(r"([0-9]{1,2})[:.h]([0-5][0-9]) ?([ap]m)?", re.IGNORECASE)
_BETWEEN = re.compile(r" ?(?:-|\u2013|\u2014|to|until) ?")
_SPAN = re.compile(r"([1-9][0-9]{0,5}) ?(s|m|h)(ec|in|our)?[a-z]*", re.IGNORECASE)
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_YEAR_FIRST = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")


def number_flaw(text: str) -> str:
    """What keeps a text that looks like a number from being one; empty when it does not."""
    return next((sentence for form, sentence in _FLAWS if form.fullmatch(text)), "")


def meant(text: str, wanted: str) -> str:
    """`did you mean ...?` for a text that is nearly of one of the forms in `wanted`, or empty."""
    found = ""
    if "a window" in wanted:
        start, end = (_time(part) for part in (*_BETWEEN.split(text, maxsplit=1), "")[:2])
        found = f"{start}-{end}" if start and end else ""
    elif "a time of day" in wanted:
        found = _time(text)
    elif "a date" in wanted:
        found = _date(text)
    if not found and "a duration" in wanted:
        span = _SPAN.fullmatch(text)
        found = f"{span[1]}{span[2].lower()}" if span else ""
    return f"did you mean `{found}`?" if found and found != text else ""


def _time(text: str) -> str:
    """The time of day as a rule writes it, or empty."""
    found = _TIME.fullmatch(text)
    if not found:
        return ""
    hours, half = int(found[1]), (found[3] or "").lower()
    if half and not 1 <= hours <= 12:
        return ""
    if half:
        hours = hours % 12 + (12 if half == "pm" else 0)
    return f"{hours:02}:{found[2]}" if hours < 24 else ""


def _date(text: str) -> str:
    """The date with its year first, where it is certain which number is the day."""
    found = _YEAR_FIRST.fullmatch(text)
    if found:
        return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"
    found = _DAY_FIRST.fullmatch(text)
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}" if found else ""
