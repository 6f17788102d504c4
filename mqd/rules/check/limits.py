"""The desk's limits."""

from __future__ import annotations

import keyword
from decimal import Decimal
from typing import NamedTuple

from mqd.ground.canonical import decimal_text
from mqd.ground.units import DURATION, RATIO, Unit
from mqd.rules.book import Limit, Value
from mqd.rules.check.document import Document
from mqd.rules.check.values import bound_in, expected, expected_bound, is_inside, value_in
from mqd.rules.expressions.arithmetic import FUNCTIONS
from mqd.rules.expressions.scope import LIMIT, UNDECIDED, Scope
from mqd.rules.problems import did_you_mean

CODES = {
    "VALUE_NOT_IN_UNIT": "A value cannot be read in its unit.",
    "VALUE_OUT_OF_RANGE": "A value lies outside its own declared range.",
    "RANGE_UPSIDE_DOWN": "The smallest allowed value is above the largest.",
    "NAME_RESERVED": "A declared name is a word of the expression language.",
    "LIMIT_UNKNOWN": "A value refers to a limit that nobody declares.",
    "LIMIT_HAS_ITS_OWN": "A value that refers to a limit declares a range or a unit beside it.",
}
_RESERVED = {*FUNCTIONS, "known", "unknown"}

_RANGE = "change the value, or its range if that is what you mean"
_SHARE = f"0.3 % is written 0.003; {_RANGE}"

PREFIX = "limits."


def read_limits(document: Document) -> dict[str, Limit | None]:
    """Every declared limit by name; None where its declaration has a problem."""
    return {key.text: _limit(document, key.text) for key, _ in document.pairs("values")}


def read_limit(document: Document, path: tuple[str, ...]) -> Limit | None:
    """The limit under `path`, named by its last key, or None when problems were noted."""
    ranged = read_range(document, path)
    if ranged is None:
        return None
    return Limit(
        name=path[-1],
        value=ranged.value,
        minimum=ranged.minimum,
        maximum=ranged.maximum,
        unit=ranged.unit,
        because=document.text(*path, "because"),
        place=document.key_place(*path),
    )


def add_limits(scope: Scope, limits: dict[str, Limit | None]) -> None:
    """Make every limit known to an expression, as `limits.<name>`."""
    for name, limit in limits.items():
        scope.add(PREFIX + name, LIMIT, limit.unit if limit else UNDECIDED)


def limit_values(limits: dict[str, Limit | None]) -> dict[tuple[str, str], str]:
    """Which limit says which value: (unit, its text) -> name.

    0 and 1 are nobody's, and so are lengths of time and shares of something: two things that take
    five minutes each are two things.
    """
    return {
        (limit.unit.name, value_text(limit.value)): name
        for name, limit in limits.items()
        if limit is not None
        and limit.unit not in {DURATION, RATIO}
        and limit.value not in {Decimal(0), Decimal(1)}
    }


def value_text(value: Value) -> str:
    """A value as text by which two of one unit are the same: plain digits, or two times."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    return f"{value.start_s}-{value.end_s}"


def check_name(document: Document, *path: str) -> None:
    """Refuse a declared name that no expression could read, or that would read as a function."""
    name = path[-1]
    if name in _RESERVED or keyword.iskeyword(name):
        document.note(
            document.key_place(*path), path, "NAME_RESERVED",
            f"`{name}` is a word of the language and cannot name anything.", "choose another name",
        )  # fmt: skip


def referred(
    document: Document, path: tuple[str, ...], limits: dict[str, Limit | None]
) -> Limit | None:
    """The limit that `value` under `path` refers to, or None when problems were noted."""
    name = document.text(*path, "value").removeprefix(PREFIX)
    for key, _ in document.pairs(*path):
        if key.text in {"min", "max", "unit"}:
            document.note(
                key.place, path, "LIMIT_HAS_ITS_OWN",
                f"`{PREFIX}{name}` brings its own `{key.text}`; this one would not count.",
                "remove it",
            )  # fmt: skip
    if name not in limits:
        _note_unknown(document, path, name, limits)
        return None
    return limits[name]


def _note_unknown(
    document: Document, path: tuple[str, ...], name: str, limits: dict[str, Limit | None]
) -> None:
    scalar = document.scalar(*path, "value")
    if scalar is None or (document.notes.some_unread and not limits):
        return  # the limits themselves could not be read; that is told where it happened
    document.note(
        scalar.place_at(len(PREFIX)), path, "LIMIT_UNKNOWN",
        f"There is no limit `{name}`.", did_you_mean(name, limits),
    )  # fmt: skip


def _limit(document: Document, name: str) -> Limit | None:
    path = ("values", name)
    check_name(document, *path)
    return read_limit(document, path)


class Ranged(NamedTuple):
    """A declared value with its range, all in one unit."""

    value: Value
    minimum: Decimal
    maximum: Decimal
    unit: Unit


def read_range(document: Document, path: tuple[str, ...]) -> Ranged | None:
    """The `value`, `min`, `max` and `unit` under `path`, or None when problems were noted."""
    unit = document.unit(*path, "unit")
    if unit is None:
        return None
    value = _read(document, path, "value", unit)
    minimum, maximum = _read(document, path, "min", unit), _read(document, path, "max", unit)
    if value is None or not isinstance(minimum, Decimal) or not isinstance(maximum, Decimal):
        return None
    if minimum > maximum:
        document.note(
            document.place_of(*path, "min"), path, "RANGE_UPSIDE_DOWN",
            f"The smallest value of `{path[-1]}` is above its largest.", "swap `min` and `max`",
        )  # fmt: skip
        return None
    if not is_inside(value, minimum, maximum):
        low, high = document.text(*path, "min"), document.text(*path, "max")
        document.note(
            document.place_of(*path, "value"), path, "VALUE_OUT_OF_RANGE",
            f"`{path[-1]}` is {document.text(*path, 'value')}, outside its range {low} to {high}.",
            _SHARE if unit == RATIO else _RANGE,
        )  # fmt: skip
        return None
    return Ranged(value, minimum, maximum, unit)


def _read(document: Document, path: tuple[str, ...], key: str, unit: Unit) -> Value | None:
    scalar = document.scalar(*path, key)
    if scalar is None:
        return None
    found = value_in(scalar.text, unit) if key == "value" else bound_in(scalar.text, unit)
    if found is None:
        wanted = expected(unit) if key == "value" else expected_bound(unit)
        document.note(
            scalar.place, path, "VALUE_NOT_IN_UNIT",
            f"`{scalar.text}` is not a value in {unit.name}.", f"expected {wanted}",
        )  # fmt: skip
    return found
