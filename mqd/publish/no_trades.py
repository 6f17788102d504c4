"""Why a strategy traded nothing in a whole run, in a line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from mqd.model.decision import REFUSED, Decision
from mqd.publish.summary import refused_codes, true_codes
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
        """One line for each strategy that ran and did not trade."""
        for strategy in book.strategies:
            if strategy.runs and strategy.id not in traded:
                yield f"{strategy.id} traded nothing: {self._why(book, strategy)}"

    def _why(self, book: RuleBook, strategy: Strategy) -> str:
        refused = self._refused.get(strategy.id)
        if refused:
            return f"{refused.total():,} entries refused, by {_told(refused_codes(refused, book))}"
        alone: Counter[str] = Counter()
        for (name, mask), bars in self._no_trade.items():
            codes = true_codes(strategy.no_trade, mask) if name == strategy.id else []
            if len(codes) == 1:
                alone[codes[0]] += bars
        if not alone:
            return "several conditions stood in the way of every bar"
        return f"bars on which a single condition stood in the way: {_told(alone)}"


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{code} {count:,}" for code, count in counts.most_common(_MOST))
