"""What is looked for in what is over: failure regimes, idle bands, ends of trades, regimes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from mqd.rules.book import Measure, Param, Regimes
from mqd.rules.check.conditions import read_conditions, read_one
from mqd.rules.check.document import Document
from mqd.rules.check.limits import PREFIX, check_name, read_range
from mqd.rules.check.sets import Surroundings
from mqd.rules.check.values import duration_s
from mqd.rules.compile.session_measures import SESSION_FUNCTIONS
from mqd.rules.expressions.scope import LIMIT, MEASURE, PARAM, UNDECIDED, Scope
from mqd.rules.looking_back import (
    OF_ENTRY,
    TRADING,
    UNKNOWN_REGIME,
    Attribution,
    Band,
    End,
    FailureRegime,
    Tag,
)
from mqd.rules.problems import did_you_mean
from mqd.rules.words.acts import PROTECT
from mqd.rules.words.attributing import ENDS_BESIDE_RULES
from mqd.rules.words.facts import ENDED_ENTRY, FINISHED_TRADE

CODES = {
    "BAND_UPSIDE_DOWN": "The lowest share of a band is above its highest.",
    "BAND_OF_NOTHING": "A band is about a NO-TRADE condition that the strategy does not have.",
    "BAND_TELLS_NOTHING": "A band holds whatever happens.",
    "REGIME_UNKNOWN": "A strategy pauses in a regime that nobody declares.",
    "REGIME_RESERVED": "A regime has the name of the one that nobody can tell.",
    "REGIME_PARAM_IS_LIMIT": "A param of the regimes refers to a limit; it says its own value.",
    "END_UNKNOWN": "The desk never ends a trade for this code.",
    "END_MISSING": "Nobody says whose result a trade is that the desk ends for this code.",
}

_BAND = re.compile(r"([0-9.]+)% to ([0-9.]+)%")
_OVER = re.compile(r"1 session|([2-9]|[1-9][0-9]) sessions")
_WHOLE = Decimal(100)
_CLOSE = "close"


# -- of a strategy ------------------------------------------------------------------------------


def read_failure_regimes(
    document: Document, own: Scope, around: Surroundings
) -> tuple[FailureRegime, ...]:
    """The known ways to fail; they read what is over, and the strategy's params."""
    found = []
    for code, _ in document.pairs("failure_regimes"):
        path = ("failure_regimes", code.text)
        of = document.text(*path, "of")
        scope = around.scope(ENDED_ENTRY if of == OF_ENTRY else FINISHED_TRADE)
        names = {name: item for name, item in scope.names.items() if item.kind != LIMIT}
        scope.names = names | {name: item for name, item in own.names.items() if item.kind == PARAM}
        scope.used, scope.limit_values, scope.undecided_owner = own.used, own.limit_values, ""
        condition = read_one(document, path, "when", scope, "skip", code.text)
        if condition is not None:
            found.append(FailureRegime(of, condition))
    return tuple(found)


def read_exit_kinds(document: Document) -> tuple[tuple[str, str], ...]:
    """Whose result each exit makes a trade, by its code."""
    return tuple(
        (code.text, document.text("exits", code.text, "counts_as") or TRADING)
        for code, _ in document.pairs("exits")
    )


def read_bands(document: Document) -> tuple[Band, ...]:
    """On which share of its bars each NO-TRADE condition is expected to be true."""
    codes = {code.text for code, _ in document.pairs("no_trade")}
    found = []
    for code, _ in document.pairs("expected"):
        path = ("expected", code.text)
        if code.text not in codes:
            document.note(
                code.place, path, "BAND_OF_NOTHING",
                f"The strategy has no NO-TRADE condition `{code.text}`.",
                did_you_mean(code.text, codes),
            )  # fmt: skip
        band = _band(document, path)
        if band is not None:
            found.append(band)
    return tuple(found)


def _band(document: Document, path: tuple[str, str]) -> Band | None:
    written = _BAND.fullmatch(document.text(*path, "share"))
    if written is None:  # the shape stage told of it
        return None
    low, high = (Decimal(share) / _WHOLE for share in written.groups())
    place = document.place_of(*path, "share")
    if low > high:
        message = "The lowest share of this band is above its highest."
        document.note(place, path, "BAND_UPSIDE_DOWN", message, "write the lower one first")
    if low <= 0 and high >= 1:
        message = "Every share is between these two, so the band tells nothing."
        document.note(place, path, "BAND_TELLS_NOTHING", message, "narrow it, or remove it")
    sessions = document.text(*path, "sessions")
    return Band(
        code=path[1],
        low=low,
        high=high,
        sessions=int(sessions) if sessions.isdigit() else 1,
        because=document.text(*path, "because"),
        place=document.key_place(*path),
    )


def check_pauses(document: Document, regimes: Document | None) -> None:
    """Every regime that a strategy pauses in has to be declared."""
    known = [code.text for code, _ in regimes.pairs("tags")] if regimes else []
    for item in document.items("pauses_in"):
        if item.text not in known:
            document.note(
                item.place, ("pauses_in",), "REGIME_UNKNOWN",
                f"There is no regime `{item.text}`.",
                did_you_mean(item.text, known) if known else "declare it in data/regimes.yaml",
            )  # fmt: skip


# -- of the desk --------------------------------------------------------------------------------


def read_attribution(document: Document, around: Surroundings) -> Attribution:
    """What a finished trade carries."""
    conditions = read_conditions(document, ("tags",), around.scope(FINISHED_TRADE), "skip")
    return Attribution(
        document.header(),
        tuple(
            Tag(item, document.text("tags", item.code, "counts_as")) for item in conditions
        ),
        tuple(
            End(
                code.text, document.text("exits", code.text, "counts_as"),
                document.text("exits", code.text, "because"), code.place,
            )
            for code, _ in document.pairs("exits")
        ),
    )  # fmt: skip


def check_ends(document: Document, watches: list[Document]) -> None:
    """Every code that the desk ends a trade for stands there, and no other one."""
    known = set(ENDS_BESIDE_RULES)
    for watch in watches:
        known |= {
            code.text for code, _ in watch.pairs("rows")
            if watch.text("rows", code.text, "do") in {_CLOSE, PROTECT}
        }  # fmt: skip
    declared = {code.text: code.place for code, _ in document.pairs("exits")}
    for code in sorted(declared.keys() - known):
        document.note(
            declared[code], ("exits", code), "END_UNKNOWN",
            f"The desk itself never ends a trade for `{code}`.", did_you_mean(code, known),
        )  # fmt: skip
    for code in sorted(known - declared.keys()):
        document.note(
            document.key_place("exits"), ("exits",), "END_MISSING",
            f"Nobody says whose result a trade is that `{code}` ends.",
            f"add {code} with `counts_as` and `because`",
        )  # fmt: skip


# -- of the market ------------------------------------------------------------------------------


def read_regimes(document: Document) -> Regimes:
    """The regimes of the market; they read params and measures of their own, and nothing else."""
    scope = Scope()
    params = tuple(_params(document, scope))
    measures = tuple(_measures(document, scope))
    tags = read_conditions(document, ("tags",), scope, "skip")
    for code, _ in document.pairs("tags"):
        if code.text == UNKNOWN_REGIME:
            document.note(
                code.place, ("tags",), "REGIME_RESERVED",
                f"`{UNKNOWN_REGIME}` is the regime where none can be told.", "choose another name",
            )  # fmt: skip
    for kind in ("params", "measures"):
        for key, _ in document.pairs(kind):
            if key.text not in scope.used:
                document.note(
                    key.place, (kind, key.text), "NAME_UNUSED", f"Nothing reads `{key.text}`.",
                    "read it in a regime, or remove it; "
                    "or a slip stands here or where it is read",
                )  # fmt: skip
    forgets = duration_s(document.text("forgets_after"))
    return Regimes(document.header(), forgets or 0, params, measures, tags)


def _params(document: Document, scope: Scope) -> Iterator[Param]:
    for key, _ in document.pairs("params"):
        path = ("params", key.text)
        check_name(document, *path)
        scalar = document.scalar(*path, "value")
        if scalar is not None and scalar.text.startswith(PREFIX):
            document.note(
                scalar.place, path, "REGIME_PARAM_IS_LIMIT",
                f"`{key.text}` is a number of the regimes, not one of the desk's limits.",
                "write the value with its range and unit",
            )  # fmt: skip
        ranged = read_range(document, path)
        scope.add(key.text, PARAM, ranged.unit if ranged else UNDECIDED)
        if ranged is not None:
            yield Param(key.text, *ranged[:3], ranged.unit, None, document.key_place(*path))


def _measures(document: Document, scope: Scope) -> Iterator[Measure]:
    for key, _ in document.pairs("measures"):
        path = ("measures", key.text)
        check_name(document, *path)
        if key.text in scope.names:
            document.note(
                key.place, path, "NAME_TAKEN",
                f"`{key.text}` is the name of a param already.", "choose another name",
            )  # fmt: skip
            continue
        named = [name.text for name, _ in document.pairs(*path) if name.text in SESSION_FUNCTIONS]
        function = SESSION_FUNCTIONS[named[0]] if named else None
        scope.add(key.text, MEASURE, function.unit if function else UNDECIDED)
        over = document.text(*path, "over")
        if function is not None and _OVER.fullmatch(over):
            stream = document.text(*path, function.name)
            yield Measure(key.text, function.name, stream, over, function.unit, key.place)
