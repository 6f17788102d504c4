"""Each rule on its page: its sentence, its formula, its last firing in the samples, its distance.

Every rule that is declared is walked; one that lacks a part is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from mqd.app.pages import beside_the_rules, fired_in_samples
from mqd.publish import markdown
from mqd.publish.evidence import certain_records
from mqd.publish.pages import INVARIANTS, LIMITS, TRADES, render_pages
from mqd.publish.registry import REGISTRY
from mqd.publish.rulefiles import RuleFiles, read_sources
from mqd.publish.speaker import Speaker
from mqd.publish.standing import Standing
from mqd.rules.book import Condition, RuleBook
from mqd.rules.words.reporting import SLOWEST
from mqd.rules.words.streams import HISTORY_FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
NO_TRADE = "no-trade.md"
DISTANCE, FIRED = "Smallest move: ", "Last fired in the samples: "
FIRST, SECOND = "vwap_micro_mean_reversion", "momentum_following"


class Shown(NamedTuple):
    """A condition and the page that it has its row on."""

    page: str
    rule: Condition


@pytest.fixture(scope="module")
def beside(book):
    found = beside_the_rules(book, ROOT / "docs")
    return replace(found, evidence=certain_records(ROOT / "docs" / "evidence"))


@pytest.fixture(scope="module")
def published(book, beside) -> dict[str, str]:
    return render_pages(book, read_sources(book), beside)


def declared(book: RuleBook) -> Iterator[Shown]:
    """Every condition that acts, with its page."""
    for strategy in book.strategies:
        page = f"strategies/{strategy.id}.md"
        failures = (failure.condition for failure in strategy.failure_regimes)
        yield from (Shown(page, rule) for rule in (*strategy.no_trade, *strategy.exits, *failures))
    for rules in (book.sets_aside, book.blocks_entries, book.entry_checks):
        yield from (Shown(NO_TRADE, rule) for rule in rules.conditions)
    yield from (Shown(INVARIANTS, rule) for rule in book.exit_checks.conditions)
    for watch in book.watches:
        yield from (Shown(INVARIANTS, rule) for rule in watch.conditions)
    assert book.portfolio
    assert book.portfolio.reallocation
    yield Shown(LIMITS, book.portfolio.reallocation.raises)
    yield Shown(LIMITS, book.portfolio.reallocation.returns)
    assert book.regimes
    assert book.attribution
    yield from (Shown(TRADES, rule) for rule in book.regimes.tags)
    yield from (Shown(TRADES, tag.condition) for tag in book.attribution.tags)


def row_of(page: str, rule: Condition, file: str) -> str:
    """The one row of a condition."""
    anchored = [
        line for line in page.splitlines()
        if f"</a>`{rule.code}`<br>" in line and f"{file}.md#line-{rule.place.line})" in line
    ]  # fmt: skip
    assert len(anchored) == 1, rule.code
    return anchored[0]


def lacks(book: RuleBook, text: str, rule: Condition) -> list[str]:
    """The parts that a rule's row or section does not have."""
    parts = {
        "sentence": markdown.spoken(Speaker(book).sentence(rule)),
        "formula": markdown.code(rule.text),
        "last firing": FIRED,
        "distance": DISTANCE,
    }
    return [name for name, part in parts.items() if part not in text]


def test_every_condition_has_its_four_parts(book, published) -> None:
    files, count = RuleFiles.of(book), 0
    for page, rule in declared(book):
        row = row_of(published[page], rule, files.names[rule.place.file])
        assert not lacks(book, row, rule), rule.code
        count += 1
    assert count > 100


def test_every_protection_has_its_four_parts_and_what_it_measures(book, published) -> None:
    for protection in book.protections:
        section = published[LIMITS].split(f"### {protection.header.title}\n")[1].split("\n## ")[0]
        section = section.split("\n### ")[0]
        assert not lacks(book, section, protection.trips_when), protection.id
        for measure in protection.measures:
            assert f"| `{measure.name}`<br>" in section
            assert markdown.spoken(HISTORY_FUNCTIONS[measure.function].formula) in section


def test_every_limit_says_what_acts_on_it_and_how_near_that_is(book, published) -> None:
    told_of = []
    for limit in book.limits:
        anchor = markdown.anchor("limit", limit.name)
        (row,) = [line for line in published[LIMITS].splitlines() if anchor in line]
        assert markdown.text(limit.because) in row
        if "No rule acts on it." in row:
            told_of.append(limit.name)
            continue
        assert DISTANCE in row, limit.name
        assert FIRED in row, limit.name
    assert told_of
    assert set(told_of) <= set(SLOWEST)


def test_every_row_of_a_strategys_life_says_what_calls_for_it(book, published) -> None:
    lines = published[INVARIANTS].splitlines()
    watched = {row.condition.code for row in book.strategy_watch.rows if row.do != "promote"}
    seen = set()
    for row in book.strategy_machine.rows:
        anchor = markdown.anchor("strategy", row.id)
        (shown,) = [line for line in lines if anchor in line]
        assert FIRED in shown
        assert all(f"`{event}`" in shown for event in row.events)
        called = re.findall(r"by (?:\[`(\w+)`\]\(#watch-strategy-[\w-]+\)|`mqd enable`)", shown)
        assert called, row.id
        seen |= set(filter(None, called))
        assert ("Smallest move, by " in shown) == bool(row.target)
    assert seen == watched


def test_every_criterion_of_a_thesis_says_how_far_the_evidence_is_from_it(book, published) -> None:
    files = RuleFiles.of(book)
    for thesis in book.theses:
        for rule in thesis.invalidated_when.rules:
            row = row_of(published[REGISTRY], rule, files.names[rule.place.file])
            assert lacks(book, row, rule) == ["distance"]
            assert " more trades before it counts" in row
    assert "percentage points above; " in published[REGISTRY]


def test_a_thesis_without_evidence_says_so(book, beside) -> None:
    pages = render_pages(book, read_sources(book), replace(beside, evidence=()))
    assert pages[REGISTRY].count("No evidence yet; 100 more trades before it counts") >= 2


def test_a_strategy_that_does_not_run_does_not_borrow_anothers_firing(book, beside) -> None:
    standing = Standing(book, beside.fired)
    own, other = (
        next(rule for rule in book.strategy(name).no_trade if rule.code == "MAX_TRADES_REACHED")
        for name in (FIRST, SECOND)
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d ET \([\d,]+\)", standing.last(own))
    assert standing.last(other) == "never, it does not run"
    assert Standing(book, None).last(own) == ""


def test_the_run_of_the_samples_counts_what_the_account_does(book) -> None:
    """A share that moves after a session is a rule that acted, as a condition on a bar is."""
    fired = fired_in_samples(book)
    assert fired["raises"].times + fired["returns"].times >= 2


def test_a_failure_regime_leads_to_the_trades_it_caught_and_they_lead_back(book, beside) -> None:
    code, item = "STOPPED_AT_ONCE", "2024-10-07T14:05:00Z to 2024-10-07T14:06:00Z, -1.61 USD"
    record = replace(beside.evidence[0], caught=((code, (item,)),))
    pages = render_pages(book, read_sources(book), replace(beside, evidence=(record,)))
    anchor = markdown.slug("caught", record.file_name, code, item)
    there = pages[f"strategies/{FIRST}.md"]
    (row,) = [line for line in there.splitlines() if f"</a>`{code}`<br>" in line]
    assert f"[{markdown.text(item)}](../trades.md#{anchor})" in row
    (line,) = [line for line in pages[TRADES].splitlines() if f'<a id="{anchor}"></a>' in line]
    assert f"(strategies/{FIRST}.md#{markdown.slug('failure', FIRST, code)})" in line
    assert f"(evidence/{record.file_name})" in line


def test_a_trade_of_the_samples_that_a_failure_regime_caught_is_linked(book, beside) -> None:
    report = beside.attributed
    caught = report.trades[0]._replace(failures=("WIDE_SPREAD",))
    changed = replace(report, trades=(caught, *report.trades[1:]))
    pages = render_pages(book, read_sources(book), replace(beside, attributed=changed))
    found = re.findall(r"\]\(\.\./trades\.md#(trade-[\w-]+)\)", pages[f"strategies/{FIRST}.md"])
    assert len(found) == 1
    (row,) = [line for line in pages[TRADES].splitlines() if f'<a id="{found[0]}"></a>' in line]
    assert f"#{markdown.slug('failure', FIRST, 'WIDE_SPREAD')})" in row
