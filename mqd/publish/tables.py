"""Trades and decisions as tables: CSV for everybody, Parquet where many bars are kept."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.decision import EXIT, EXIT_WAITS, Decision
from mqd.model.position import Trade
from mqd.publish.figures import FactValue
from mqd.publish.glossary import members
from mqd.rules.compile.book import CompiledBook
from mqd.rules.words.facts import FACTS

TRADE_COLUMNS = (
    "strategy", "symbol", "entry_ts", "entry_price", "qty", "exit_ts", "exit_price",
    "exit_reason", "pnl", "rules_digest",
)  # fmt: skip
SEPARATOR = "|"


def trade_row(trade: Trade) -> dict[str, str]:
    """One round trip: times in UTC, prices, shares and P&L (USD, net of costs) exact."""
    return {
        "strategy": trade.strategy,
        "symbol": trade.symbol,
        "entry_ts": iso_utc(trade.entry_ns),
        "entry_price": decimal_text(trade.entry_price),
        "qty": decimal_text(trade.qty),
        "exit_ts": iso_utc(trade.exit_ns),
        "exit_price": decimal_text(trade.exit_price),
        "exit_reason": trade.exit_reason,
        "pnl": decimal_text(trade.pnl_usd),
        "rules_digest": trade.rules_digest,
    }


def trades_csv(trades: Iterable[Trade]) -> str:
    """All trades as CSV text with a header, in the order given."""
    out = StringIO()
    writer = csv.DictWriter(out, TRADE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(trade_row(trade) for trade in trades)
    return out.getvalue()


class DecisionTable:
    """Turns decision records into rows: codes by name, facts by name, times in UTC.

    `blocking` holds every code that stood against an entry: NO-TRADE conditions, data rules,
    protections and checks, joined by `|`; `exits` the exit conditions that were true.
    """

    def __init__(self, book: CompiledBook) -> None:
        self._book = book
        names = [name for strategy in book.strategies for name in strategy.fact_names]
        self.fact_names = tuple(dict.fromkeys(names))
        facts = (FACTS[name] for name in self.fact_names if name in FACTS)
        self._words = {fact.name: members(fact, book.rules) for fact in facts}
        self.columns = (
            "ts", "strategy", "symbol", "outcome", "blocking", "exits", *self.fact_names,
            "rules_digest",
        )  # fmt: skip

    def row(self, decision: Decision) -> dict[str, Any]:
        """One decision by column; a fact that was unknown is None."""
        compiled = self._book.strategy(decision.strategy)
        # An older record lacks the last of the facts.
        values = dict(zip(compiled.fact_names, decision.facts, strict=False))
        return {
            "ts": iso_utc(decision.at_ns),
            "strategy": decision.strategy,
            "symbol": decision.symbol,
            "outcome": decision.outcome,
            "blocking": SEPARATOR.join(self.blocking(decision)),
            "exits": SEPARATOR.join(self.exits(decision)),
            **{name: self._plain(name, values.get(name)) for name in self.fact_names},
            "rules_digest": decision.rules_digest,
        }

    def _plain(self, name: str, value: FactValue) -> FactValue | str:
        """The value; of an enumerated fact the word."""
        words = self._words.get(name)
        return words[int(value)] if words and value is not None else value

    def no_trade(self, decision: Decision) -> list[str]:
        """The strategy's own conditions that held."""
        rules = self._book.strategy(decision.strategy).rules
        return codes(decision.no_trade, [rule.code for rule in rules.no_trade])

    def exits(self, decision: Decision) -> list[str]:
        """The exits that held while it had a position."""
        rules = self._book.strategy(decision.strategy).rules
        return codes(decision.exits, [rule.code for rule in rules.exits])

    def blocking(self, decision: Decision) -> list[str]:
        """Every code that stood against an entry on this bar, in the order of the files."""
        book = self._book
        is_exit = decision.outcome in {EXIT, EXIT_WAITS}
        checks = book.exit_checks if is_exit else book.entry_checks
        return [
            *self.no_trade(decision),
            *book.blocks_entries.true_codes(decision.data),
            *book.protections.true_codes(decision.protections),
            *checks.true_codes(decision.checks),
        ]

    def write(self, decisions: Iterable[Decision], path: Path) -> int:
        """Write all decisions to `path` (.csv or .parquet); returns how many.

        Raises:
            OSError: the file cannot be written.
        """
        rows = (self.row(decision) for decision in decisions)
        if path.suffix == ".parquet":
            return self._write_parquet(rows, path)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            count = 0
            for row in rows:
                writer.writerow(row)
                count += 1
        return count

    def _write_parquet(self, rows: Iterator[dict[str, Any]], path: Path) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, list[Any]] = {name: [] for name in self.columns}
        for row in rows:
            for name, value in row.items():
                columns[name].append(value)
        pq.write_table(pa.table(columns), path)
        return len(columns["ts"])


def codes(mask: int, names: list[str]) -> list[str]:
    """The names whose bit is set."""
    return [name for bit, name in enumerate(names) if mask >> bit & 1]
