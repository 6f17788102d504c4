"""Whether a pause lasts: what ends it must not hold of the very values that begin it.

Both conditions are asked of the same daily values. Only a row that reads nothing but the values of
one series, and the desk's profile, can be asked like this; any other is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, pairwise, product

from mqd.ground.units import TEXT
from mqd.rules.book import Limit, Watch
from mqd.rules.check.document import Document
from mqd.rules.check.planned import constants_of
from mqd.rules.compile.question import Given, truth_of
from mqd.rules.expressions import ir
from mqd.rules.words.judging import SERIES

_LOWEST = ".lowest"
_GRID = tuple(value / 2 for value in range(1, 201))  # what a series of this kind may show
_NEARBY = 0.01


def check_pauses_last(document: Document, watch: Watch, limits: Iterable[Limit | None]) -> None:
    """Each row that pauses, asked at values on both sides of every number that it names."""
    constants = constants_of(limits)
    for row in watch.rows:
        if row.until is None:
            continue
        rules = (row.condition.when, row.until.when)
        read = {name.name for rule in rules for name in ir.names(rule)} & constants.keys()
        found = _ended_at_once(*rules, tuple((name, constants[name]) for name in sorted(read)))
        if found is not None:
            path = ("rows", row.condition.code)
            document.note(
                document.place_of(*path, "until"), path, "PAUSE_ENDS_AT_ONCE",
                f"Of values of {found:g} both `when` and `until` are true, so that the pause is "
                "over as it begins.",
                "let it end at a value that does not begin it, with some distance between the two",
            )  # fmt: skip


@lru_cache(maxsize=256)  # thousands of values are asked, and pauses seldom change
def _ended_at_once(
    when: ir.Logical, until: ir.Logical, read: tuple[tuple[str, Given], ...]
) -> float | None:
    """The first newest value at which both hold; None where there is none, or it cannot be said.

    `read` are the constants that the two read, with their values.
    """
    constants = dict(read)
    names = {name.name: name for rule in (when, until) for name in ir.names(rule)}
    free = {key: name for key, name in names.items() if key not in constants}
    series = {key.partition(".")[0] for key in free} & {*SERIES}
    told = {key: name for key, name in free.items() if name.unit == TEXT}
    values = [key for key in free if key.partition(".")[0] in SERIES]
    if len(series) != 1 or len(told) + len(values) < len(free) or not _both_read(when, until):
        return None
    words = [[(key, number) for number in range(len(told[key].members))] for key in told]
    points = tuple(_sampled((when, until), constants))
    for given, (newest, lowest) in product(product(*words), points):
        facts: dict[str, Given] = {**constants, **dict(given)}
        facts |= {key: lowest if key.endswith(_LOWEST) else newest for key in values}
        if all(truth_of(rule, possibly=False).asked(facts) for rule in (when, until)):
            return newest
    return None


def _both_read(*rules: ir.Logical) -> bool:
    return all(
        any(name.name.partition(".")[0] in SERIES for name in ir.names(rule)) for rule in rules
    )


def _sampled(
    rules: Iterable[ir.Logical], constants: Mapping[str, Given]
) -> Iterator[tuple[float, float]]:
    """The newest and the lowest value, which is never above it."""
    turns: set[float] = set()
    for node in chain.from_iterable(ir.walk(rule) for rule in rules):
        if isinstance(node, ir.Number):
            turns.add(float(node.text))
        elif isinstance(node, ir.Name):
            value = constants.get(node.name)
            turns |= {float(value)} if isinstance(value, int | float) else set()
    points = sorted(turn + step for turn in turns for step in (-_NEARBY, 0.0, _NEARBY))
    points += [(low + high) / 2 for low, high in pairwise(sorted(turns))]
    pairs = ((newest, lowest) for newest in points for lowest in points if lowest <= newest)
    return chain(((value, value) for value in _GRID), pairs)
