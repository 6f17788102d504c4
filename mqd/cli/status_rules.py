"""`mqd status` of the rules: how each protection stands, how far each number is from acting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mqd.cli.happenings import both_times
from mqd.cli.sections import Section

if TYPE_CHECKING:
    from mqd.publish.protection_status import ProtectionStatus
    from mqd.publish.status import DeskStatus
    from mqd.publish.to_fire import NotYet, ToFire

_COLUMNS = ("Rule", "Looks at", "Now", "Acts at", "Distance")
_TITLE = "Distance to fire"
_LONG_RULE = 21
_IN_PERCENT = re.compile(r"\S+ \((.+ %)\)")  # 0.0025 (0.25 %)


def protections_section(found: DeskStatus) -> Section:
    """Every protection; whom it is about stands under its name, so that the table fits."""
    rows = tuple(
        (item.protection.replace("/", "/\n"), _state_text(item), _short(item.to_go) or "-",
         ", ".join(f"{shown.name} {shown.text}" for shown in item.watches))
        for item in found.protections
    )  # fmt: skip
    said = () if rows else ("none in these rules",)
    return Section("Protections", said, (), ("Protection", "State", "To go", "Watches"), rows)


def distance_sections(found: DeskStatus) -> Iterator[Section]:
    """How far every rule with a number is from acting now: the desk's, then each strategy's."""
    known = (item.strategy for item in found.to_fire)
    of = dict.fromkeys(["", *known, *(item.strategy for item in found.not_yet)])
    for name in of:
        rows = tuple(_row(item) for item in found.to_fire if item.strategy == name)
        rows += tuple(_row_not_yet(item) for item in found.not_yet if item.strategy == name)
        if rows or not name:
            said = () if rows else ("nothing has a value yet",)
            title = f"{_TITLE}: {name}" if name else _TITLE
            yield Section(title, said, (), _COLUMNS, rows, frozenset(_COLUMNS[2:]))


def _row(item: ToFire) -> tuple[str, ...]:
    left = "it acts" if item.acts else "passed" if item.holds else item.distance_text
    return (
        _broken(item.rule), item.looks_at.removeprefix("the "), _short(item.now_text),
        _short(item.acts_at_text), _short(left),
    )  # fmt: skip


def _row_not_yet(item: NotYet) -> tuple[str, ...]:
    looks_at = f"{item.looks_at.removeprefix('the ')}: {item.why}"
    return _broken(item.rule), looks_at, "unknown", _short(item.acts_at_text), "-"


def _broken(rule: str) -> str:
    """A long code on two lines, so that the table fits."""
    at = rule.rfind("_", 0, _LONG_RULE) + 1
    return f"{rule[:at]}\n{rule[at:]}" if len(rule) > _LONG_RULE and at else rule


def _short(text: str) -> str:
    """A share in percent alone, and the distance of two in points of it."""
    found = _IN_PERCENT.fullmatch(text)
    return found[1] if found else text.replace("percentage points", "points")


def _state_text(item: ProtectionStatus) -> str:
    if item.until_ns is not None:
        return f"{item.state} until {both_times(item.until_ns)}"
    if item.until:
        return f"{item.state} {item.until}"
    return "blocking entries now" if item.state == "blocking" else item.state
