"""What a person hears before a run: which strategies would open nothing, and why."""

from __future__ import annotations

from collections.abc import Iterator

from mqd.publish.thesis_gate import thesis_warnings
from mqd.rules.book import RuleBook


def warnings_before(book: RuleBook, profile: str) -> tuple[str, ...]:
    """One line for each strategy that its thesis or its share keeps out."""
    return (*thesis_warnings(book, profile), *_share_warnings(book))


def _share_warnings(book: RuleBook) -> Iterator[str]:
    portfolio = book.portfolio
    if portfolio is None:
        return
    shared = {each.strategy for each in portfolio.allotments}
    file = portfolio.header.place.file
    for strategy in book.strategies:
        if strategy.runs and strategy.id not in shared:
            yield (
                f"{strategy.id} has no share of the account, so that it opens nothing; "
                f"give it one under `strategies:` in {file}"
            )
