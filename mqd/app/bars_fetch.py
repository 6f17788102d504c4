"""`mqd bars fetch`: past minute bars from Alpaca into a file that every other command reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mqd.app.account import Account
from mqd.feeds.alpaca_bars.history import BarHistory, Page
from mqd.feeds.bars_file import COLUMNS, VALUE_COLUMNS
from mqd.feeds.calendar import EXCHANGE_ZONE, FIRST_YEAR, LAST_YEAR
from mqd.ground.errors import BarsFileError, SetupError, Unavailable
from mqd.ground.times import NS_PER_MINUTE, to_datetime, to_ns
from mqd.model.event import BarClosed
from mqd.ports.clock import Clock
from mqd.rules.watching import BrokerRequests
from mqd.streams.backoff import Backoff, Chance
from mqd.streams.refusals import AskLater, KeysRefused, NotPermitted

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Which bars: a symbol's, from one exchange date to another, both included; and where to."""

    symbol: str
    first: date
    last: date
    out: Path

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise SetupError(f"--to {self.last} is before --from {self.first}")
        for day in (self.first, self.last):
            if not FIRST_YEAR <= day.year <= LAST_YEAR:
                raise SetupError(f"{day}: expected a date from {FIRST_YEAR} to {LAST_YEAR}")
        if self.out.suffix.lower() != ".parquet":
            raise SetupError(f"--out {self.out}: expected a name that ends in .parquet")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written: how many bars, on how many exchange dates."""

    bars: int
    dates: int


def fetch_bars(
    plan: FetchPlan,
    account: Account,
    requests: BrokerRequests,
    clock: Clock,
    chance: Chance,
    progress: Callable[[int], None] = lambda _bars: None,
) -> Fetched:
    """Write the bars that Alpaca has; complete minutes only, every digit as it was written.

    `progress` is told how many bars have come after each page. The file appears whole or not.

    Raises:
        SetupError: the keys do not work or do not allow this, or Alpaca cannot be reached.
        BarsFileError: a bar cannot be read or kept exactly, or the file cannot be written.
    """
    now_ns = clock.now_ns()
    from_ns = _midnight_ns(plan.first)
    until_ns = min(_midnight_ns(plan.last + _ONE_DAY), now_ns - now_ns % NS_PER_MINUTE)
    history = BarHistory(account.keys, account.addresses.data_url, requests, clock, account.bars)
    pauses = Backoff(requests.first_pause_s, requests.longest_pause_s, chance)
    bars: dict[int, BarClosed] = {}
    if from_ns < until_ns:
        for page in _pages(history, plan.symbol, (from_ns, until_ns), clock, pauses):
            for bar in page.bars:
                if bar.symbol != plan.symbol:
                    raise BarsFileError(f"asked for {plan.symbol}, got a bar of {bar.symbol}")
                bars[bar.start_ns] = bar
            progress(len(bars))
    found = [bars[start_ns] for start_ns in sorted(bars)]
    if found:
        _write(plan.out, found)
    dates = {to_datetime(bar.start_ns).astimezone(EXCHANGE_ZONE).date() for bar in found}
    return Fetched(len(found), len(dates))


def _midnight_ns(day: date) -> int:
    return to_ns(datetime.combine(day, time(), EXCHANGE_ZONE))


def _pages(
    history: BarHistory, symbol: str, span: tuple[int, int], clock: Clock, pauses: Backoff
) -> Iterator[Page]:
    token: str | None = None
    while True:
        page = _asked(partial(history.page, (symbol,), *span, token), clock, pauses)
        if page.misread:
            raise BarsFileError(page.misread[0])
        if page.rounded:
            raise BarsFileError(f"{page.rounded[0]}: has more digits than a bar holds")
        yield page
        token = page.token
        if token is None:
            return


def _asked(ask: Callable[[], Page], clock: Clock, pauses: Backoff) -> Page:
    """One page; a passing fault is waited for, with pauses up to the longest."""
    while True:
        try:
            page = ask()
        except KeysRefused as error:
            raise SetupError(f"the keys do not work: {error}") from error
        except NotPermitted as error:
            raise SetupError(f"Alpaca says no: {error}") from error
        except Unavailable as error:
            if pauses.is_longest:
                raise SetupError(f"Alpaca does not answer: {error}") from error
            wish_s = error.pause_s if isinstance(error, AskLater) else 0.0
            clock.sleep(max(pauses.pause_s(), wish_s))
        else:
            pauses.reset()
            return page


def _write(path: Path, bars: list[BarClosed]) -> None:
    columns = list(zip(*bars, strict=True))
    table = pa.table(
        {
            "symbol": pa.array(columns[1], pa.string()),
            "ts": pa.array(columns[2], pa.timestamp("ns", tz="UTC")),
            **{
                name: pa.array(columns[number], pa.float64())
                for number, name in enumerate(VALUE_COLUMNS[:4], 3)
            },
            "volume": _volumes(columns[7]),
        }
    ).select(list(COLUMNS))
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, part)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise BarsFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def _volumes(volumes: tuple[float, ...]) -> pa.Array:
    """Whole shares as such; parts of shares, and what is no number, as floats."""
    if all(volume.is_integer() and abs(volume) < 2.0**53 for volume in volumes):
        return pa.array([int(volume) for volume in volumes], pa.int64())
    return pa.array(volumes, pa.float64())
