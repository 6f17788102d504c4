"""The operator's page: whatever can go wrong has a row that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mqd.brokers.alpaca.stream import STREAM as TRADE_UPDATES
from mqd.cli.commands import application
from mqd.cli.describe import described
from mqd.feeds.alpaca_bars.feed import STREAM as BARS
from mqd.ground.errors import Incident, InvariantError, MqdError, Refused, StrategyFailed
from mqd.model.event import BrokerLockedOut, SnapshotFailed, StreamLost
from mqd.rules.validate import load_rules
from mqd.runtime.loop import NEWS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
COLUMNS = 4


def kinds(base: type[MqdError]) -> Iterator[type[MqdError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def alarms() -> list[list[str]]:
    """The cells of every row of the tables of alarms."""
    _, _, rest = PAGE.partition("\n## Alarms\n")
    section = re.split(r"\n## ", rest)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0] != "alarm"]


def pages() -> list[str]:
    """The codes of the rules that send for a person."""
    book = load_rules(ROOT / "rules")
    watches = (book.order_watch, book.position_watch, book.desk_watch)
    return [row.condition.code for each in watches for row in each.rows if row.do == "page"]


@pytest.mark.parametrize(
    "name",
    [
        *sorted({kind.__name__ for base in (Incident, InvariantError, Refused, StrategyFailed)
                 for kind in kinds(base)}),
        BrokerLockedOut.__name__, SnapshotFailed.__name__,
        *(f"{StreamLost.__name__}` `{stream}" for stream in (TRADE_UPDATES, BARS, NEWS)),
        *(f"UnresolvedError` `{code}" for code in pages()),
    ],
)  # fmt: skip
def test_every_alarm_has_one_row(name: str) -> None:
    assert pages()
    is_coded = name == "UnresolvedError"  # one row for each of its codes
    found = [row for row in alarms() if f"`{name}`" in row[0]]
    assert len(found) == (len(pages()) if is_coded else 1)


def test_every_row_says_what_to_do() -> None:
    for row in alarms():
        assert len(row) == COLUMNS, row
        assert all(len(cell) > 3 for cell in row), row


def test_every_command_of_the_page_exists() -> None:
    known = {each.name for each in described(application)}
    known |= {name.split()[0] for name in known}  # `mqd journal` is a group of commands
    typed = set(re.findall(r"`(?:MQD_LIVE=yes )?mqd ([a-z-]+)", PAGE))
    assert len(typed) > 15
    assert typed <= known
