"""What a text nearly is: the form that was meant, and nothing where nobody can know."""

from __future__ import annotations

import re

import pytest

from mqd.rules.nearly import meant, number_flaw
from mqd.rules.shape import schema_for

TIME = "a time of day such as 09:30"
WINDOW = "a window such as 10:00-11:30"
DURATION = "a duration such as 30s or `while_true`"
DATE = "a date such as 2026-11-22"


@pytest.mark.parametrize(
    ("text", "wanted", "suggestion"),
    [
        ("9:30", TIME, "09:30"),
        ("9.30", TIME, "09:30"),
        ("9h30", TIME, "09:30"),
        ("09:30 am", TIME, "09:30"),
        ("4:00pm", TIME, "16:00"),
        ("12:15 AM", TIME, "00:15"),
        ("12:15 PM", TIME, "12:15"),
        ("9:30-16:00", WINDOW, "09:30-16:00"),
        ("10:00 - 11:30", WINDOW, "10:00-11:30"),
        ("10:00\u201311:30", WINDOW, "10:00-11:30"),
        ("10:00 to 11:30", WINDOW, "10:00-11:30"),
        ("10:00am-1:30pm", WINDOW, "10:00-13:30"),
        ("5 minutes", DURATION, "5m"),
        ("5min", DURATION, "5m"),
        ("30 sec", DURATION, "30s"),
        ("2 Hours", DURATION, "2h"),
        ("22.11.2026", DATE, "2026-11-22"),
        ("2026/1/5", DATE, "2026-01-05"),
    ],
)
def test_a_near_miss_gets_its_form(text: str, wanted: str, suggestion: str) -> None:
    assert meant(text, wanted) == f"did you mean `{suggestion}`?"
    # What is suggested is what the schemas take.
    kinds = schema_for("strategy")["$defs"]
    forms = {TIME: "time_of_day", WINDOW: "window", DURATION: "duration"}
    if wanted in forms:
        assert re.search(kinds[forms[wanted]]["pattern"], suggestion)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("noon", TIME), ("25:00", TIME), ("13:00pm", TIME), ("0:30am", TIME), ("09:30", TIME),
        ("10:00", WINDOW), ("10:00-", WINDOW), ("morning", WINDOW), ("10:00-11:30", WINDOW),
        ("5", DURATION), ("soon", DURATION), ("0 minutes", DURATION), ("5m", DURATION),
        ("11/22/2026", DATE), ("today", DATE), ("2026-11-22", DATE), ("9:30", DATE),
        ("5 minutes", TIME), ("", WINDOW), ("x", "a name"),
    ],
)  # fmt: skip
def test_nothing_is_made_up(text: str, wanted: str) -> None:
    assert not meant(text, wanted)


def test_numbers_have_their_own_flaws() -> None:
    assert number_flaw("0.3%") == "write a share as a ratio: 0.003 is 0.3 %"
    assert not number_flaw("0.003")
    assert not number_flaw("abc")
