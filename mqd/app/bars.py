"""Which bars a run reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.mending import RecordedBars
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.feeds.samples import sample_bars
from mqd.ground.errors import SettingsError
from mqd.rules.book import RuleBook


def recorded_feed(paths: Sequence[Path], book: RuleBook) -> RecordedFeed:
    """The feed of these files, or of the shipped sample sessions when there are none.

    Raises:
        SettingsError: no strategy runs, so there is nothing to feed.
        BarsFileError: a file cannot be read, or holds nothing that the strategies trade.
    """
    if not any(strategy.runs for strategy in book.strategies):
        raise SettingsError(
            "no strategy runs: each is a draft; name one with --strategy, or set `status: paper`"
        )
    return RecordedFeed(_rows(paths, book), ExchangeCalendar())


def _rows(paths: Sequence[Path], book: RuleBook) -> RecordedBars:
    if not paths:
        return sample_bars()
    symbols = sorted({strategy.symbol for strategy in book.strategies if strategy.runs})
    return read_bars(paths, symbols[0] if len(symbols) == 1 else None)
