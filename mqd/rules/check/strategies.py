"""A strategy, whole: params, measures, conditions, entry and exits."""

from __future__ import annotations

from difflib import get_close_matches

from mqd.ground.units import PRICE, SHARES
from mqd.rules.book import Condition, Entry, Limit, Measure, Param, Sizing, Strategy
from mqd.rules.check.conditions import fact_scope, numeric, read_conditions
from mqd.rules.check.document import Document
from mqd.rules.check.limits import (
    PREFIX,
    check_name,
    limit_values,
    read_range,
    referred,
    value_text,
)
from mqd.rules.check.looking_back import read_bands, read_exit_kinds, read_failure_regimes
from mqd.rules.check.sets import Surroundings
from mqd.rules.check.stops import check_stop
from mqd.rules.check.values import number
from mqd.rules.compile.measures import FUNCTIONS, VALUES_OF_BARS
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, MEASURE, PARAM, UNDECIDED, Scope
from mqd.rules.tree import Scalar
from mqd.rules.words.facts import ENTRY_QTY, STRATEGY

CODES = {
    "LIMIT_REPEATED": "A param repeats the value of a declared limit; refer to the limit.",
    "NAME_TAKEN": "A param or measure has the name of something else.",
    "NAME_UNUSED": "A declared name is read by nothing.",
    "MEASURE_NOT_ONE_FUNCTION": "A measure names no function, or more than one.",
    "MEASURE_OF_WHAT": "A measure does not name the value it is taken of, or names one needlessly.",
    "FORCE_FLAT_MISSING": "The strategy has no exit that depends on the clock alone.",
    "FORCE_FLAT_READS_DATA": "The force-flat exit reads something that can be missing.",
    "TRADE_LIMIT_MOVES": "The entries of a day have no ceiling that the market cannot raise.",
    "SIZE_UNCHECKED": "No condition looks at the size before an entry.",
    "SIZE_OUT_OF_PLACE": "The size of an entry is read where there is none yet, or none any more.",
}

ENTRIES_TODAY = "today.entries"
FORCE_FLAT = "FORCE_FLAT"
BARS_SUFFIX = " bars"
_CLOCK_FACTS = {"clock.time", "session.time_to_close"}


def read_strategy(
    document: Document, limits: dict[str, Limit | None], around: Surroundings
) -> Strategy | None:
    """The strategy, or None when a part of it is wrong."""
    scope = fact_scope(STRATEGY)
    if document.notes.as_written:
        scope.limit_values = limit_values(limits)
    params = read_params(document, limits, scope)
    measures = _measures(document, scope)
    no_trade = read_conditions(document, ("no_trade",), scope, "hold")
    exits = read_conditions(document, ("exits",), scope, "skip")
    entry = _entry(document, scope)
    failures = read_failure_regimes(document, scope, around)
    _check_used(document, scope)
    _check_force_flat(document, exits)
    _check_size_is_looked_at(document, no_trade)
    _check_size_in_exits(document, exits)
    _check_trade_limit(document, no_trade)
    if entry is None:
        return None
    check_stop(document, entry, params)
    return Strategy(
        header=document.header(),
        thesis=document.text("thesis"),
        status=document.text("status"),
        symbol=document.text("trades", "symbol"),
        timeframe=document.text("trades", "timeframe"),
        side=document.text("trades", "side"),
        params=tuple(params),
        measures=tuple(measures),
        no_trade=no_trade,
        entry=entry,
        exits=exits,
        exit_kinds=read_exit_kinds(document),
        pauses_in=tuple(item.text for item in document.items("pauses_in")),
        expected=read_bands(document),
        failure_regimes=failures,
    )


def read_params(document: Document, limits: dict[str, Limit | None], scope: Scope) -> list[Param]:
    """The params, made known to the scope; wrong ones are named there without a unit."""
    found: list[Param] = []
    for key, _ in document.pairs("params"):
        param = _param(document, key.text, limits, scope)
        scope.add(key.text, PARAM, param.unit if param else UNDECIDED)
        if param is not None:
            found.append(param)
    return found


def _param(
    document: Document, name: str, limits: dict[str, Limit | None], scope: Scope
) -> Param | None:
    path = ("params", name)
    check_name(document, *path)
    place = document.key_place(*path)
    text = document.text(*path, "value")
    if text.startswith(PREFIX):
        return _limit_param(document, name, limits)
    ranged = read_range(document, path)
    if ranged is None:
        return None
    limit = scope.limit_values.get((ranged.unit.name, value_text(ranged.value)))
    if limit is not None:
        document.note(
            document.place_of(*path, "value"), path, "LIMIT_REPEATED",
            f"`{name}` repeats the limit of {text} {ranged.unit.name}.",
            f"write `value: {PREFIX}{limit}`",
        )  # fmt: skip
    return Param(name, *ranged[:3], ranged.unit, None, place)


def _limit_param(document: Document, name: str, limits: dict[str, Limit | None]) -> Param | None:
    path = ("params", name)
    limit = referred(document, path, limits)
    if limit is None:
        return None
    place = document.key_place(*path)
    return Param(name, limit.value, limit.minimum, limit.maximum, limit.unit, limit.name, place)


def _measures(document: Document, scope: Scope) -> list[Measure]:
    found: list[Measure] = []
    for key, _ in document.pairs("measures"):
        path = ("measures", key.text)
        check_name(document, *path)
        if key.text in scope.names:
            document.note(
                key.place,
                path,
                "NAME_TAKEN",
                f"`{key.text}` is the name of a param already.",
                "choose another name",
            )
            continue
        measure = _measure(document, key)
        scope.add(key.text, MEASURE, measure.unit if measure else UNDECIDED)
        if measure is not None:
            found.append(measure)
    return found


def _measure(document: Document, key: Scalar) -> Measure | None:
    path = ("measures", key.text)
    if not document.pairs(*path):
        return None  # the shape stage told that this is no measure
    named = [name for name, _ in document.pairs(*path) if name.text in FUNCTIONS]
    if len(named) != 1:
        document.note(
            named[1].place if named else key.place, path, "MEASURE_NOT_ONE_FUNCTION",
            f"`{key.text}` names {'more than one' if named else 'no'} function of a stream.",
            "write one of " + ", ".join(FUNCTIONS) + ", such as: mean: bars",
        )  # fmt: skip
        return None
    function, of, over = (
        FUNCTIONS[named[0].text],
        document.text(*path, "of"),
        document.text(*path, "over"),
    )
    if function.takes_of is not bool(document.scalar(*path, "of")):
        wanted = "add `of: bar.close`" if function.takes_of else "remove `of`"
        document.note(
            document.key_place(*path) if function.takes_of else document.key_place(*path, "of"),
            path, "MEASURE_OF_WHAT",
            f"`{function.name}` is taken of "
            + ("one of a bar's values, and none is named." if function.takes_of
               else f"{' and '.join(function.reads)} whatever is named."),
            wanted,
        )  # fmt: skip
        return None
    if function.takes_of and of not in VALUES_OF_BARS:
        return None  # the shape stage told what can be named there
    bars = over.removesuffix(BARS_SUFFIX)
    return Measure(
        name=key.text,
        function=function.name,
        stream=document.text(*path, function.name),
        over=over,
        unit=function.unit_of(of),
        place=key.place,
        of=of,
        bars=int(bars) if bars.isdecimal() and int(bars) > 1 else None,
    )


def _entry(document: Document, scope: Scope) -> Entry | None:
    qty = numeric(document, ("entry", "qty", "value"), SHARES, scope)
    if qty is not None:
        _check_no_size(document, ("entry", "qty", "value"), qty, "the size is made here")
    stop_loss = numeric(document, ("entry", "stop_loss"), PRICE, scope)
    step = number(document.text("entry", "qty", "step"))
    if qty is None or stop_loss is None or step is None or step <= 0:
        return None
    return Entry(
        side=document.text("entry", "side"),
        type=document.text("entry", "type"),
        qty=Sizing(
            qty, ir.to_text(qty), document.text("entry", "qty", "round"), step,
            document.key_place("entry", "qty"),
        ),
        stop_loss=stop_loss,
        stop_loss_text=ir.to_text(stop_loss),
        stop_loss_place=document.key_place("entry", "stop_loss"),
        place=document.key_place("entry"),
    )  # fmt: skip


def _check_used(document: Document, scope: Scope) -> None:
    for kind in ("params", "measures"):
        for key, _ in document.pairs(kind):
            if key.text not in scope.used:
                document.note(
                    key.place, (kind, key.text), "NAME_UNUSED",
                    f"Nothing reads `{key.text}`.",
                    "read it in a condition, or remove it; "
                    "or a slip stands here or where it is read",
                )  # fmt: skip


def _check_force_flat(document: Document, exits: tuple[Condition, ...]) -> None:
    codes = [key for key, _ in document.pairs("exits")]
    if not any(key.text == FORCE_FLAT for key in codes):
        meant = get_close_matches(FORCE_FLAT, [key.text for key in codes], n=1, cutoff=0.8)
        place = next((key.place for key in codes if key.text in meant), None)
        document.note(
            place or document.key_place("exits"), ("exits",), "FORCE_FLAT_MISSING",
            "No exit closes the position by the clock; it could be held overnight.",
            f"did you mean `{FORCE_FLAT}`?" if place
            else f"add {FORCE_FLAT}: when: session.time_to_close <= flat_before_close",
        )  # fmt: skip
    for rule in exits:
        if rule.code != FORCE_FLAT:
            continue
        for name in ir.names(rule.when):
            if name.kind == MEASURE or (name.kind == FACT and name.name not in _CLOCK_FACTS):
                document.note(
                    document.place_of("exits", FORCE_FLAT, "when"), ("exits", FORCE_FLAT),
                    "FORCE_FLAT_READS_DATA",
                    f"A force-flat exit reads the clock only, and `{name.name}` can be missing.",
                    "read " + " or ".join(sorted(_CLOCK_FACTS)),
                )  # fmt: skip


def _check_size_is_looked_at(document: Document, no_trade: tuple[Condition, ...]) -> None:
    written = document.pairs("no_trade")
    if written and len(no_trade) == len(written) and not any(_size(rule.when) for rule in no_trade):
        document.note(
            document.key_place("no_trade"), ("no_trade",), "SIZE_UNCHECKED",
            "No condition looks at the size, so an entry for nothing could be asked for.",
            "add SIZE_IS_ZERO: when: entry.qty <= 0",
        )  # fmt: skip


def _check_size_in_exits(document: Document, exits: tuple[Condition, ...]) -> None:
    for rule in exits:
        path = ("exits", rule.code, "when")
        _check_no_size(document, path, rule.when, "use `position.qty`")


def _check_no_size(document: Document, path: tuple[str, ...], tree: ir.Tree, hint: str) -> None:
    if _size(tree):
        document.note(
            document.place_of(*path), path[:-1], "SIZE_OUT_OF_PLACE",
            f"`{ENTRY_QTY.name}` is known only while an entry is weighed.", hint,
        )  # fmt: skip


def _check_trade_limit(document: Document, no_trade: tuple[Condition, ...]) -> None:
    """How many entries a day may have has a ceiling that only a person raises.

    More trades a day are more risk a day, so that the market may lower what is left of them and
    never raise it: one condition bounds them by a param, whatever else is true.
    """
    read = [rule for rule in no_trade if any(map(_is_entries, ir.names(rule.when)))]
    if read and not any(_bounds_entries(rule.when) for rule in no_trade):
        path = ("no_trade", read[0].code)
        document.note(
            document.place_of(*path, "when"), path, "TRADE_LIMIT_MOVES",
            f"`{ENTRIES_TODAY}` has no ceiling that stays where it is, whatever the market does.",
            "compare it with a param alone, or with min(of the param, and what lowers it)",
        )  # fmt: skip


def _bounds_entries(tree: ir.Logical) -> bool:
    """Whether it is true, whatever else is so, once the entries reach what the file says."""
    match tree:
        case ir.Either(parts=parts):
            return any(_bounds_entries(part) for part in parts)
        case ir.Compare(op=">=" | ">", left=ir.Name() as name, right=ceiling):
            return _is_entries(name) and _stays(ceiling)
        case ir.Compare(op="<=" | "<", left=ceiling, right=ir.Name() as name):
            return _is_entries(name) and _stays(ceiling)
    return False


def _stays(tree: ir.Numeric) -> bool:
    """Whether it is never more than what the file says: all of it, or one side of a `min`."""
    if isinstance(tree, ir.Call) and tree.function == "min":
        return any(_stays(each) for each in tree.arguments)
    return all(name.kind not in {FACT, MEASURE} for name in ir.names(tree))


def _is_entries(name: ir.Name) -> bool:
    return name.name == ENTRIES_TODAY


def _size(tree: ir.Tree) -> bool:
    return any(name.name == ENTRY_QTY.name for name in ir.names(tree))
