"""`mqd status` of the account: what is in the market, who may use how much, and daily values."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from mqd.cli.sections import Section

if TYPE_CHECKING:
    from mqd.publish.account_status import AccountStatus, ShareStatus
    from mqd.publish.series_status import SeriesStatus
    from mqd.publish.status import DeskStatus

_COLUMNS = ("Strategy", "Share", "Rules", "May use", "In use", "Left", "Entry")


def account_sections(found: DeskStatus) -> Iterator[Section]:
    """The account and every running strategy's share; nothing where the rules declare none."""
    if found.account is not None:
        rows = tuple(_row(each) for each in found.account.shares)
        yield Section(
            "The account, in USD", (), tuple(_facts(found.account)), _COLUMNS, rows,
            frozenset(_COLUMNS[1:]),
        )  # fmt: skip


def series_facts(found: DeskStatus) -> Iterator[tuple[str, str]]:
    """The newest value of each daily series, and what still waits for a person."""
    for each in found.series:
        yield each.series, _series_text(each)
    for item in found.proposed:
        text = f"{_percent(item.by)} more of its share waits for `mqd approve {item.strategy}`"
        yield "promotion", text


def _series_text(series: SeriesStatus) -> str:
    if series.value is None:
        return "no value told yet"
    until = f"stale since {series.good_through}" if series.is_stale else (
        f"good through {series.good_through}"
    )  # fmt: skip
    return f"{series.value} of {series.date}, {until}"


def _facts(account: AccountStatus) -> Iterator[tuple[str, str]]:
    sums = account.sums
    word = "as the broker says" if account.is_told else "by the rules and what was made since"
    yield "worth", f"{_usd(sums.equity_usd)}, {word}"
    most = f"{_usd(sums.largest_usd)} ({_percent(account.max_exposure)})"
    yield (
        "in the market",
        (f"{_usd(sums.exposure_usd)}, stays below {most}: {_usd(account.exposure_left_usd)} to go"),
    )
    others_usd = sums.invested_usd - sums.exposure_usd
    if others_usd:
        yield "held by others", _usd(others_usd)
    kept = f"{_usd(sums.reserve_usd)} ({_percent(account.reserve)})"
    yield "reserve", f"{kept} stays out: {_usd(account.reserve_left_usd)} to go"
    yield "free share", _percent(account.free_share)


def _row(share: ShareStatus) -> tuple[str, ...]:
    entry = "-" if share.entry_usd is None else _usd(share.entry_usd)
    return (
        share.strategy, _percent(share.share), _percent(share.declared_share),
        _usd(share.capital_usd), _usd(share.used_usd), _usd(share.left_usd), entry,
    )  # fmt: skip


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"
