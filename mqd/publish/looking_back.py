"""What is looked for in what is over, in words: failure regimes, ends of trades, regimes, bands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mqd.ground.times import iso_utc
from mqd.publish.attribution import AttributionReport, EndedEntry, TradeAttribution
from mqd.publish.declared import schema_line, source_line
from mqd.publish.evidence import EvidenceRecord
from mqd.publish.markdown import slug
from mqd.publish.meaning import Meaning, at, of_condition
from mqd.rules.book import RuleBook, Strategy
from mqd.rules.english import English, value_text
from mqd.rules.looking_back import OF_TRADE, UNKNOWN_REGIME
from mqd.rules.words import attributing

_REPORT = "`mqd report attribution` shows the trades that carry it"
OF_WHAT = {"trade": "every finished trade", "entry": "every entry order that has ended"}
UNKNOWN = UNKNOWN_REGIME


class Caught(NamedTuple):
    """A trade or entry of the samples that carries a code: what it is called, and its anchor."""

    shown: str
    anchor: str


def meanings_of_looking_back(book: RuleBook) -> Iterator[Meaning]:
    """Every code that a trade, an entry or a session may carry when it is over."""
    for strategy in book.strategies:
        english = English(strategy.params, book.limits)
        for failure in strategy.failure_regimes:
            kind = f"failure regime of {strategy.id}, looked for in {OF_WHAT[failure.of]}"
            yield of_condition(failure.condition, kind, english, _REPORT)
        for band in strategy.expected:
            yield Meaning(
                f"{band.code} {band.text}", f"expected share of {strategy.id}'s bars in its hours",
                band.because, at(band.place),
                then="`mqd report idle` shows how often it was true, session by session",
            )  # fmt: skip
    if book.regimes is not None:
        english = English(book.regimes.params)
        for tag in book.regimes.tags:
            yield of_condition(tag, "regime of the market", english, _REPORT)
        for param in book.regimes.params:
            yield Meaning(
                param.name, "param of the regimes", value_text(param.value, param.unit),
                at(param.place), then="a change of it is a change of the rules: a pull request",
            )  # fmt: skip
        for measure in book.regimes.measures:
            yield Meaning(
                measure.name, "measure of the regimes",
                f"{measure.function} of {measure.stream} over {measure.over}", at(measure.place),
            )  # fmt: skip
        yield Meaning(
            UNKNOWN_REGIME, "regime of the market", "No regime can be told, or none is true.",
            source_line("mqd.rules.looking_back", "UNKNOWN_REGIME"),
            then="a strategy that pauses in any regime opens nothing meanwhile",
        )  # fmt: skip
    if book.attribution is not None:
        english = English((), book.limits)
        for item in book.attribution.tags:
            kind = f"tag of a trade, a result of {item.counts_as}"
            yield of_condition(item.condition, kind, english, _REPORT)
        for end in book.attribution.exits:
            means = attributing.ENDS_BESIDE_RULES.get(end.code, "")
            yield Meaning(
                end.code, f"end of a trade by the desk, a result of {end.counts_as}",
                f"{means} {end.because}".strip(), at(end.place), then=_REPORT,
            )  # fmt: skip


def kind_line(kind: str) -> str:
    """Where the schema says what a kind of end is."""
    return schema_line("attribution", "counts_as", kind)


def trade_anchor(item: TradeAttribution) -> str:
    """The anchor of a trade of the samples."""
    trade = item.risk.trade
    return slug("trade", trade.strategy, str(trade.entry_ns))


def entry_anchor(item: EndedEntry) -> str:
    """The anchor of an entry of the samples that ended short."""
    return slug("entry", item.order.client_order_id)


def caught(report: AttributionReport | None, strategy: Strategy, code: str) -> tuple[Caught, ...]:
    """What a failure regime caught on the samples."""
    if report is None:
        return ()
    failure = next(item for item in strategy.failure_regimes if item.code == code)
    if failure.of == OF_TRADE:
        return tuple(
            Caught(iso_utc(item.risk.trade.entry_ns), trade_anchor(item))
            for item in report.trades
            if item.risk.trade.strategy == strategy.id and code in item.failures
        )
    return tuple(
        Caught(iso_utc(item.order.created_ns), entry_anchor(item))
        for item in report.entries
        if item.order.strategy == strategy.id and code in item.failures
    )


def on_record(
    records: tuple[EvidenceRecord, ...], strategy: Strategy, code: str
) -> tuple[tuple[EvidenceRecord, tuple[str, ...]], ...]:
    """What a failure regime caught on market data: the records of evidence with its trades."""
    return tuple(
        (record, trades)
        for record in records
        if record.strategy == strategy.id and record.caught is not None
        for name, trades in record.caught
        if name == code
    )


def every_catch(
    book: RuleBook, records: tuple[EvidenceRecord, ...]
) -> tuple[tuple[Strategy, str, EvidenceRecord, str], ...]:
    """Every trade or entry that a failure regime caught on market data, regime by regime."""
    return tuple(
        (strategy, failure.code, record, item)
        for strategy in book.strategies
        for failure in strategy.failure_regimes
        for record, found in on_record(records, strategy, failure.code)
        for item in found
    )
