"""What stood in the way in a whole run: entries refused, and why a strategy traded nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from mqd.model.decision import REFUSED, Decision
from mqd.publish.summary import ranked, refused_codes, true_codes
from mqd.rules.book import RuleBook, Strategy

_MOST = 3


class InTheWay:
    """Counts, by strategy, the masks of what stood in the way; codes are looked up at the end."""

    def __init__(self) -> None:
        self._no_trade: Counter[tuple[str, int]] = Counter()
        self._refused: dict[str, Counter[tuple[int, int, int]]] = defaultdict(Counter)

    def count(self, decision: Decision) -> None:
        """Take one decision."""
        self._no_trade[decision.strategy, decision.no_trade] += 1
        if decision.outcome == REFUSED:
            masks = (decision.data, decision.protections, decision.checks)
            self._refused[decision.strategy][masks] += 1

    def lines(self, book: RuleBook, traded: Iterable[str]) -> Iterator[str]:
        """One line for each strategy that ran and did not trade, or had entries refused by checks
        or data rules; what protections alone refused is for the shadow ledger.
        """
        for strategy in book.strategies:
            if not strategy.runs:
                continue
            if strategy.id not in traded:
                yield f"{strategy.id} traded nothing: {self._why(book, strategy)}"
                continue
            refused = self._refused_without_protections(strategy)
            if refused:
                told = _told(refused_codes(refused, book), None)
                yield f"{strategy.id}: {_entries(refused)} by checks or data rules, {told}"

    def refused(self, book: RuleBook) -> dict[str, dict[str, int]]:
        """By strategy that ran, by code: how many entries each check and data rule refused."""
        return {
            strategy.id: dict(
                ranked(refused_codes(self._refused_without_protections(strategy), book))
            )
            for strategy in book.strategies
            if strategy.runs
        }

    def _refused_without_protections(self, strategy: Strategy) -> Counter[tuple[int, int, int]]:
        """The masks of its refused entries, without what protections had to say."""
        found: Counter[tuple[int, int, int]] = Counter()
        for (data, _, checks), count in self._refused[strategy.id].items():
            if data or checks:
                found[data, 0, checks] += count
        return found

    def _why(self, book: RuleBook, strategy: Strategy) -> str:
        refused = self._refused.get(strategy.id)
        if refused:
            return f"{_entries(refused)}, by {_told(refused_codes(refused, book), None)}"
        alone: Counter[str] = Counter()
        for (name, mask), bars in self._no_trade.items():
            codes = true_codes(strategy.no_trade, mask) if name == strategy.id else []
            if len(codes) == 1:
                alone[codes[0]] += bars
        if not alone:
            return "several conditions stood in the way of every bar"
        return f"bars on which a single condition stood in the way: {_told(alone, _MOST)}"


def _entries(refused: Counter[tuple[int, int, int]]) -> str:
    count = refused.total()
    return f"{count:,} {'entry' if count == 1 else 'entries'} refused"


def _told(counts: Counter[str], most: int | None) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in ranked(counts)[:most])
