"""A practice exchange out of bars files and a plan of faults."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mqd.feeds.calendar import ExchangeCalendar, exchange_datetime
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.ground.errors import SettingsError
from mqd.model.event import BarClosed
from mqd.ports.account import Addresses, Keys
from mqd.rules.load import load_text
from mqd.rules.problems import Problems
from mqd.rules.tree import Mapping, Node, Scalar
from mqd.rules.tree import Sequence as Items

if TYPE_CHECKING:
    from mqd.brokers.practice.faults import FaultPlan
    from mqd.brokers.practice.server import PracticeServer

_PACKAGES = ("aiohttp", "msgpack")


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """What to play: bars files, from which exchange date on, with which faults, at which port.

    Bars before `first_date` are history, which can be asked for from the start. `name` decides
    every id that the exchange gives; without one it is a new name.
    """

    bars: tuple[Path, ...]
    faults: Path | None = None
    first_date: str | None = None
    port: int = 0
    name: str = ""


def practice_exchange(plan: ExchangePlan) -> PracticeServer:
    """The exchange of a plan, not started yet.

    Raises:
        BarsFileError: a file cannot be read.
        SettingsError: there is no bar to play, the faults cannot be, or a package is missing.
    """
    _require_packages()
    from mqd.brokers.practice.server import PracticeServer
    from mqd.brokers.practice.settings import PracticeSettings

    calendar = ExchangeCalendar()
    faults = read_faults(plan.faults)
    history, bars = _bars(plan.bars, plan.first_date, calendar)
    name = plan.name or uuid4().hex
    return PracticeServer(bars, calendar, PracticeSettings(name), faults, plan.port, history)


def _require_packages() -> None:
    for name in _PACKAGES:
        if find_spec(name) is None:
            raise SettingsError(
                f"the practice exchange needs the package {name}; "
                f"install it with: {sys.executable} -m pip install {name}"
            )


def multiple_of(speed: str) -> float | None:
    """`--speed`: how many times real time, None for `max`, 0 for `step`.

    Raises:
        SettingsError: none of these.
    """
    _require_packages()
    from mqd.brokers.practice.control import pace

    try:
        return pace(speed)
    except SettingsError as error:
        raise SettingsError(f"--speed: {error}") from None


def _bars(
    paths: Sequence[Path], first_date: str | None, calendar: ExchangeCalendar
) -> tuple[list[BarClosed], list[BarClosed]]:
    """The bars before the first date, and those from it on."""
    feed = RecordedFeed(read_bars(paths), calendar)
    bars = [event for event in feed.events() if isinstance(event, BarClosed)]
    if first_date is None:
        return [], bars
    try:
        first = date.fromisoformat(first_date)
    except ValueError:
        raise SettingsError(f"--from {first_date}: expected a date like 2024-10-07") from None
    history = [bar for bar in bars if exchange_datetime(bar.start_ns).date() < first]
    if len(history) == len(bars):
        raise SettingsError(f"--from {first_date}: the files end before that date")
    return history, bars[len(history) :]


def read_faults(path: Path | None) -> FaultPlan:
    """The plan in a YAML file: `seed`, and a list of `faults`; without a file, no faults.

    Raises:
        SettingsError: the file cannot be read, or a fault in it cannot be.
    """
    from mqd.brokers.practice.faults import FaultPlan

    if path is None:
        return FaultPlan()
    tree = _tree(path)
    for key, _ in tree.pairs:
        if key.text not in {"seed", "faults"}:
            where = f"{path}:{key.place.line}:{key.place.column}"
            raise SettingsError(f"{where}: no setting `{key.text}`, known: seed, faults")
    seed, faults = tree.get("seed"), tree.get("faults")
    if seed is not None and not (isinstance(seed, Scalar) and seed.text.isdecimal()):
        raise SettingsError(f"{path}: `seed` takes a whole number")
    if not isinstance(faults, Items):
        raise SettingsError(f"{path}: `faults` takes a list")
    plan = FaultPlan(seed=int(seed.text) if isinstance(seed, Scalar) else 0)
    for item in faults.items:
        words = _plain(item)
        where = f"{path}:{item.place.line}:{item.place.column}"
        if not isinstance(words, dict):
            raise SettingsError(f"{where}: expected a fault such as `kind: http_504`")
        try:
            plan.add(words)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None
    return plan


def _tree(path: Path) -> Mapping:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise SettingsError(f"{path}: cannot be read: {what}") from error
    problems = Problems()
    tree = load_text(text, str(path), problems)
    if tree is None or problems:
        first = problems.sorted()[0]
        raise SettingsError(f"{path}:{first.place.line}:{first.place.column}: {first.message}")
    return tree


def _plain(node: Node) -> Any:
    """A node as the value that JSON would have: null, true, a number, text, a list, an object."""
    if isinstance(node, Mapping):
        return {key.text: _plain(value) for key, value in node.pairs}
    if isinstance(node, Items):
        return [_plain(item) for item in node.items]
    if node.quoted:
        return node.text
    words: dict[str, Any] = {"null": None, "~": None, "": None, "true": True, "false": False}
    if node.text in words:
        return words[node.text]
    for kind in (int, float):
        try:
            return kind(node.text)
        except ValueError:
            continue
    return node.text


def environment(addresses: Addresses, keys: Keys) -> dict[str, str]:
    """The variables that lead a desk to this exchange."""
    return {
        "MQD_ALPACA_TRADING_URL": addresses.trading_url,
        "MQD_ALPACA_DATA_URL": addresses.data_url,
        "MQD_ALPACA_TRADE_STREAM_URL": addresses.trade_stream_url,
        "MQD_ALPACA_DATA_STREAM_URL": addresses.data_stream_url,
        "MQD_CLOCK": "exchange",
        "APCA_API_KEY_ID": keys.key_id,
        "APCA_API_SECRET_KEY": keys.secret,
    }
