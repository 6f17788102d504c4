"""Whether an entry's stop lies below the price, as far as the file alone can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from mqd.ground.units import PRICE
from mqd.rules.book import Entry, Param, Value
from mqd.rules.check.document import Document
from mqd.rules.check.limits import value_text
from mqd.rules.compile.question import Given, declared, number_of
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import PARAM

CODES = {
    "STOP_NOT_BELOW": "The stop of an entry would be at the price of the entry, or above it.",
}

_CLOSE = "bar.close"
_PRICES = (100, 1, 10_000)  # in USD; a floor under the stop may be above some of them
_MOST_PARAMS = 6  # whose smallest and largest values are tried with each other


def check_stop(document: Document, entry: Entry, params: list[Param]) -> None:
    """A stop that is made of the price and of params lies below some price, however they are set.

    One that reads anything else is looked at when it is to be sent, and so is every one. Rules
    that a journal kept are not refused for it: they could send no such entry either.
    """
    names = ir.names(entry.stop_loss)
    read = [param for param in params if any(_is(name, param) for name in names)]
    is_told = all(name.name == _CLOSE or any(_is(name, each) for each in read) for name in names)
    if not is_told or not document.notes.as_written:
        return
    for values in _settings(read):
        stops = ((price, _stop(entry, price, read, values)) for price in _PRICES)
        above = [
            (price, stop)
            for price, stop in stops
            if stop is not None and not stop < price - PRICE.tolerance
        ]
        if len(above) == len(_PRICES):
            _note(document, *above[0], values, is_range=values != _declared(read))
            return


def _is(name: ir.Name, param: Param) -> bool:
    return name.kind == PARAM and name.name == param.name


def _declared(params: list[Param]) -> dict[str, Value]:
    return {param.name: param.value for param in params}


def _settings(params: list[Param]) -> Iterator[dict[str, Value]]:
    """The values that the params have, then the ends of their ranges, each with each."""
    yield _declared(params)
    if len(params) <= _MOST_PARAMS:
        for ends in product(*((param.minimum, param.maximum) for param in params)):
            yield {param.name: end for param, end in zip(params, ends, strict=True)}


def _stop(
    entry: Entry, price: int, params: list[Param], values: Mapping[str, Value]
) -> float | None:
    given: dict[str, Given] = {_CLOSE: float(price)}
    for param in params:
        given |= {param.name: declared(replace(param, value=values[param.name]))}
    found: float | None = number_of(entry.stop_loss).asked(given)
    return found


def _note(
    document: Document, price: int, stop: float, values: Mapping[str, Value], *, is_range: bool
) -> None:
    path = ("entry", "stop_loss")
    set_to = "".join(f" and `{name}` at {value_text(value)}" for name, value in values.items())
    document.note(
        document.place_of(*path), path, "STOP_NOT_BELOW",
        f"At a price of {price}{set_to} the stop is at {stop:g}; for a buy it must be below the "
        "price.",
        "narrow the range of the param, or write a stop that is below at every value in it"
        if is_range
        else "write it as bar.close * (1 - a share), or as bar.close - a distance",
    )  # fmt: skip
