"""What the theses stand for before a run: which strategies would open nothing with real money.

The rules decide that, by the checks that read a thesis and the profile and nothing else. Here they
are asked, so that a rehearsal says what they would say.
"""

from __future__ import annotations

from collections.abc import Iterator

from mqd.rules.book import Condition, RuleBook
from mqd.rules.compile.question import truth_of
from mqd.rules.expressions import ir
from mqd.rules.words.facts import FACTS, PROFILES
from mqd.rules.words.theses import THESIS, THESIS_STATUSES

LIVE = "live"
_PROFILE = FACTS["desk.profile"].name


def refused_by(book: RuleBook, status: str, profile: str) -> tuple[str, ...]:
    """The codes of the checks that refuse every entry on a thesis of this status."""
    values = {_PROFILE: PROFILES.index(profile), THESIS: THESIS_STATUSES.index(status)}
    return tuple(
        rule.code for rule in _gates(book) if truth_of(rule.when, possibly=False).asked(values)
    )


def thesis_warnings(book: RuleBook, profile: str) -> tuple[str, ...]:
    """One line for each strategy that runs and would open nothing with real money."""
    return tuple(_warnings(book, profile))


def _warnings(book: RuleBook, profile: str) -> Iterator[str]:
    theses = {each.header.id: each for each in book.theses}
    for strategy in book.strategies:
        thesis = theses.get(strategy.thesis)
        if thesis is None or not strategy.runs:
            continue
        codes = refused_by(book, thesis.status, LIVE)
        if codes:
            when = "opens nothing here" if profile == LIVE else "would open nothing with real money"
            yield (
                f"thesis {thesis.header.id} is {thesis.status}: {strategy.id} {when} "
                f"({', '.join(codes)}); its exits go on"
            )


def _gates(book: RuleBook) -> Iterator[Condition]:
    """The checks before an entry that read a thesis, and besides it the profile at most."""
    for rule in book.entry_checks.conditions:
        read = {name.name for name in ir.names(rule.when)}
        if THESIS in read and read <= {THESIS, _PROFILE}:
            yield rule
