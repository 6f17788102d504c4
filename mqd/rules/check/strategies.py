"""A strategy, whole: params, measures, conditions, entry and exits."""

from __future__ import annotations

from difflib import get_close_matches

from mqd.ground.units import PRICE, SHARES
from mqd.rules.book import Condition, Entry, Limit, Measure, Param, Sizing, Strategy
from mqd.rules.check.conditions import fact_scope, numeric, read_conditions
from mqd.rules.check.document import Document
from mqd.rules.check.limits import PREFIX, check_name, limit_values, read_range, value_text
from mqd.rules.check.values import number
from mqd.rules.compile.measures import FUNCTIONS
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, MEASURE, PARAM, UNDECIDED, Scope
from mqd.rules.problems import did_you_mean
from mqd.rules.words.facts import ENTRY_QTY, STRATEGY

CODES = {
    "LIMIT_UNKNOWN": "A param refers to a limit that nobody declares.",
    "LIMIT_REPEATED": "A param repeats the value of a declared limit; refer to the limit.",
    "LIMIT_HAS_ITS_OWN": "A param that refers to a limit declares a range or a unit beside it.",
    "NAME_TAKEN": "A param or measure has the name of something else.",
    "NAME_UNUSED": "A declared name is read by nothing.",
    "FORCE_FLAT_MISSING": "The strategy has no exit that depends on the clock alone.",
    "FORCE_FLAT_READS_DATA": "The force-flat exit reads something that can be missing.",
    "SIZE_UNCHECKED": "No condition looks at the size before an entry.",
    "SIZE_OUT_OF_PLACE": "The size of an entry is read where there is none yet, or none any more.",
}

FORCE_FLAT = "FORCE_FLAT"
_CLOCK_FACTS = {"clock.time", "session.time_to_close"}


def read_strategy(document: Document, limits: dict[str, Limit | None]) -> Strategy | None:
    """The strategy, or None when a part of it is wrong."""
    scope = fact_scope(STRATEGY)
    if document.notes.as_written:
        scope.limit_values = limit_values(limits)
    params = _params(document, limits, scope)
    measures = _measures(document, scope)
    no_trade = read_conditions(document, ("no_trade",), scope, "hold")
    exits = read_conditions(document, ("exits",), scope, "skip")
    entry = _entry(document, scope)
    _check_used(document, scope)
    _check_force_flat(document, exits)
    _check_size_is_looked_at(document, no_trade)
    _check_size_in_exits(document, exits)
    if entry is None:
        return None
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
    )


def _params(document: Document, limits: dict[str, Limit | None], scope: Scope) -> list[Param]:
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
        return _limit_param(document, name, text.removeprefix(PREFIX), limits)
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


def _limit_param(
    document: Document, name: str, limit_name: str, limits: dict[str, Limit | None]
) -> Param | None:
    path = ("params", name)
    for key, _ in document.pairs(*path):
        if key.text in {"min", "max", "unit"}:
            document.note(
                key.place, path, "LIMIT_HAS_ITS_OWN",
                f"`{PREFIX}{limit_name}` brings its own `{key.text}`; this one would not count.",
                "remove it",
            )  # fmt: skip
    if limit_name not in limits:
        _note_unknown_limit(document, name, limit_name, limits)
        return None
    limit = limits[limit_name]
    if limit is None:
        return None
    place = document.key_place(*path)
    return Param(name, limit.value, limit.minimum, limit.maximum, limit.unit, limit_name, place)


def _note_unknown_limit(
    document: Document, name: str, limit_name: str, limits: dict[str, Limit | None]
) -> None:
    scalar = document.scalar("params", name, "value")
    if scalar is None or (document.notes.some_unread and not limits):
        return  # the limits themselves could not be read; that is told where it happened
    document.note(
        scalar.place_at(len(PREFIX)), ("params", name), "LIMIT_UNKNOWN",
        f"There is no limit `{limit_name}`.", did_you_mean(limit_name, limits),
    )  # fmt: skip


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
        named = [name.text for name, _ in document.pairs(*path) if name.text in FUNCTIONS]
        function = FUNCTIONS[named[0]] if named else None
        scope.add(key.text, MEASURE, function.unit if function else UNDECIDED)
        if function is not None:
            found.append(
                Measure(
                    name=key.text,
                    function=function.name,
                    stream=document.text(*path, function.name),
                    over=document.text(*path, "over"),
                    unit=function.unit,
                    place=key.place,
                )
            )
    return found


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


def _size(tree: ir.Tree) -> bool:
    return any(name.name == ENTRY_QTY.name for name in ir.names(tree))
