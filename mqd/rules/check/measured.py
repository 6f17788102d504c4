"""The measures of a rule over the past: function, stream, `where`, `of`, and the window."""

from __future__ import annotations

import re

from mqd.ground.units import USD, Unit
from mqd.rules.check.conditions import logical
from mqd.rules.check.document import Document
from mqd.rules.check.values import duration_s
from mqd.rules.expressions import ir
from mqd.rules.expressions.read import read_number, read_value
from mqd.rules.expressions.scope import LIMIT, MEASURE, ROW, UNDECIDED, Scope
from mqd.rules.measured import ALL, ROWS, SESSION, TIME, WEEK, HistoryMeasure, Span
from mqd.rules.words.streams import (
    BARS_STREAM,
    COUNTED,
    EQUITY_STREAM,
    HISTORY_FUNCTIONS,
    ROW_WORDS,
    SESSIONS_STREAM,
    TAKES_NO_ROWS,
)

CODES = {
    "MEASURE_INCOMPLETE": "A measure lacks what its function needs, or has what nothing asks for.",
    "MEASURE_WINDOW": "A measure's stream cannot be looked back on over such a window.",
}

_COUNT = re.compile(r"([1-9][0-9]{0,3}) ([a-z]+)")
_DAY_S = 86_400
_EXTRAS = ("where", "of", "warmup", "assumed")
Members = dict[str, tuple[str, ...]]


def read_measures(document: Document, scope: Scope, members: Members) -> tuple[HistoryMeasure, ...]:
    """Every measure of the document, the wrong ones left out; all their names go into `scope`.

    `members` are the values of the words of a row that are enumerated: strategies, symbols and
    the reasons of exits.
    """
    found: list[HistoryMeasure] = []
    for key, _ in document.pairs("measures"):
        if key.text in scope.names:
            document.note(
                key.place, ("measures", key.text), "NAME_TAKEN",
                f"`{key.text}` is the name of something else already.", "choose another name",
            )  # fmt: skip
            continue
        measure = _read(document, key.text, scope, members)
        scope.add(key.text, MEASURE, measure.unit if measure else UNDECIDED)
        if measure is not None:
            found.append(measure)
    return tuple(found)


def _read(document: Document, name: str, scope: Scope, members: Members) -> HistoryMeasure | None:
    path = ("measures", name)
    functions = [key.text for key, _ in document.pairs(*path) if key.text in HISTORY_FUNCTIONS]
    if len(functions) != 1:
        _incomplete(document, path, "A measure has one function.", "such as `count: trades`")
        return None
    function = functions[0]
    stream = document.text(*path, function)
    rules = HISTORY_FUNCTIONS[function]
    if stream not in rules.streams:  # the shape stage told of it
        return None
    if not _has_its_parts(document, path, function, stream):
        return None
    span = _span(document, path, stream)
    rows = _scope_of_rows(stream, scope, members)
    where = logical(document, (*path, "where"), rows)
    of = _value(document, (*path, "of"), rows)
    assumed = _value(document, (*path, "assumed"), rows, USD)
    warmup = document.text(*path, "warmup") or "0"
    if (
        span is None
        or not warmup.isdecimal()
        or any(
            document.scalar(*path, key) is not None and read is None
            for key, read in (("where", where), ("of", of), ("assumed", assumed))
        )
    ):
        return None
    unit = of.unit if of is not None else (COUNTED | TAKES_NO_ROWS)[stream]
    return HistoryMeasure(
        name, function, stream, span, where, of, assumed,
        max(rules.fewest, int(warmup)), unit,
        document.key_place(*path),
    )  # fmt: skip


def _has_its_parts(document: Document, path: tuple[str, str], function: str, stream: str) -> bool:
    rules = HISTORY_FUNCTIONS[function]
    is_equity, has_rows = stream == EQUITY_STREAM, stream not in TAKES_NO_ROWS
    needs = {"where": rules.needs_where, "of": rules.needs_of, "assumed": is_equity}
    takes = {
        "where": has_rows, "of": rules.needs_of, "assumed": is_equity, "warmup": has_rows,
    }  # fmt: skip
    for key in _EXTRAS:
        has = document.scalar(*path, key) is not None
        if has and not takes[key]:
            text = f"`{function}` of {stream} takes no `{key}`."
            _incomplete(document, (*path, key), text, "remove it")
            return False
        if needs.get(key) and not has:
            _incomplete(document, path, f"`{function}` of {stream} needs `{key}`.", f"add `{key}:`")
            return False
    return True


def _incomplete(document: Document, path: tuple[str, ...], text: str, hint: str) -> None:
    document.note(document.key_place(*path), path[:2], "MEASURE_INCOMPLETE", text, hint)


def _span(document: Document, path: tuple[str, str], stream: str) -> Span | None:
    text = document.text(*path, "over")
    seconds = duration_s(text)
    counted = _COUNT.fullmatch(text)
    if counted is not None and counted[2] == "days":
        seconds = int(counted[1]) * _DAY_S
    if stream not in {BARS_STREAM, SESSIONS_STREAM} and seconds:
        return Span(TIME, seconds, text)
    if counted is not None and counted[2] == stream and stream != EQUITY_STREAM:
        return Span(ROWS, int(counted[1]), text)
    is_named = text in {SESSION, WEEK, ALL} and stream != SESSIONS_STREAM
    if is_named and (text == SESSION or stream != BARS_STREAM):
        return Span(text, 0, text)
    if text:
        hint = "write `session`, or a number of bars such as `20 bars`"
        if stream == SESSIONS_STREAM:
            hint = "write a number of sessions such as `20 sessions`"
        elif stream != BARS_STREAM:
            rows = f" `20 {stream}`," if stream != EQUITY_STREAM else ""
            hint = f"write `60m`, `7 days`,{rows} `session`, `week` or `all`"
        document.note(
            document.place_of(*path, "over"), path, "MEASURE_WINDOW",
            f"{stream} cannot be looked back on over `{text}`.", hint,
        )  # fmt: skip
    return None


def _scope_of_rows(stream: str, around: Scope, members: Members) -> Scope:
    """The words of a row and the limits; what is used of these is noted with all the others."""
    scope = Scope(
        limit_values=around.limit_values, used=around.used, undecided_owner=around.undecided_owner
    )
    for name, item in around.names.items():
        if item.kind == LIMIT:
            scope.names[name] = item
    for name, word in ROW_WORDS[stream].items():
        scope.add(name, ROW, word.unit, members.get(name, ()))
    return scope


def _value(
    document: Document, path: tuple[str, ...], scope: Scope, unit: Unit | None = None
) -> ir.Numeric | None:
    scalar = document.scalar(*path)
    if scalar is None:
        return None
    rule = document.rule(*path[:-1])
    problems = document.notes.problems
    if unit is None:
        tree = read_value(scalar, scope, problems, rule)
    else:
        tree = read_number(scalar, unit, scope, problems, rule)
    if tree is not None:
        document.notes.expression_texts[scalar.place] = ir.to_text(tree)
    return tree
