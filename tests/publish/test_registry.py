"""The thesis registry: what the evidence says, in both directions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.publish.beside import Beside
from mqd.publish.evidence import EvidenceRecord
from mqd.publish.pages import render_pages, stale_pages, write_pages
from mqd.publish.registry import (
    CONTRADICTED,
    HOLDS,
    NO_EVIDENCE,
    REGISTRY,
    THIN,
    registry,
    strangers,
)
from mqd.publish.rulefiles import read_sources
from mqd.rules.book import RuleBook


def record(book: RuleBook, **changed) -> EvidenceRecord:
    made = EvidenceRecord(
        thesis="TH-001", strategy="vwap_micro_mean_reversion", data_set="days", symbol="SPY",
        files=1, content_sha256="a" * 64, spans=(("2024-01-02", "2024-03-28"),), sessions=61,
        bars=23_000, trades=100, wins=45, pnl_usd=Decimal("1.5"), stopped=1, stopped_over_plan=1,
        mean_loss_usd=Decimal("1.6"), worst_loss_usd=Decimal("1.6"), mean_of_plan=Decimal("1.07"),
        worst_of_plan=Decimal("1.07"), rules_digest=book.digest, run_digest=book.digest,
        overrides=(), fill="close", slippage_bps=Decimal(0), command="mqd evidence TH-001",
    )  # fmt: skip
    return replace(made, **changed)


def page(book: RuleBook, *records: EvidenceRecord) -> str:
    return render_pages(book, read_sources(book), Beside(evidence=records))[REGISTRY]


@pytest.mark.parametrize(
    ("trades", "wins", "verdict"),
    [(100, 45, HOLDS), (100, 44, CONTRADICTED), (99, 44, THIN), (99, 99, THIN), (0, 0, THIN)],
)
def test_the_criterion_of_the_rules_decides(book, trades, wins, verdict) -> None:
    entry, *_ = registry(book, [record(book, trades=trades, wins=wins)])
    assert entry.verdict == verdict
    assert verdict in {HOLDS, THIN, CONTRADICTED}


def test_a_changed_criterion_changes_the_verdict(book, edited) -> None:
    sterner = edited("theses/TH-001.yaml", ("win_rate < 0.45", "win_rate < 0.5"))
    entry, *_ = registry(sterner, [record(sterner)])
    assert entry.verdict == CONTRADICTED
    longer = edited("theses/TH-001.yaml", ("over_trades: 100", "over_trades: 101"))
    assert "101 trades" in page(longer, record(longer)) or "takes 101" in page(
        longer, record(longer)
    )
    entry, *_ = registry(longer, [record(longer)])
    assert entry.verdict == THIN


def test_without_records_it_says_so(book) -> None:
    entry, *_ = registry(book, [])
    assert entry.verdict == NO_EVIDENCE
    assert "None yet" in page(book)


def test_totals_are_over_all_records(book) -> None:
    two = (
        record(book, trades=60, wins=30, pnl_usd=Decimal("-2.25")),
        record(book, data_set="more", trades=40, wins=10, pnl_usd=Decimal(1)),
    )
    entry, *_ = registry(book, two)
    assert (entry.trades, entry.wins, entry.pnl_usd) == (100, 40, Decimal("-1.25"))
    said = page(book, *two)
    assert "100 trades on 2 data sets (122 sessions): 40 won (40.0 %)" in said
    assert "The evidence contradicts the thesis, and its status is still PENDING." in said
    assert "These trades lost money together." in said


def test_the_status_stays_what_the_file_says(book) -> None:
    entry, *_ = registry(book, [record(book, wins=0)])
    assert entry.thesis.status == "PENDING"
    assert "| `PENDING` |" in page(book, record(book, wins=0))


def test_an_active_thesis_with_thin_evidence_is_warned_of(edited) -> None:
    active = edited("theses/TH-001.yaml", ("status: PENDING", "status: ACTIVE"))
    assert "does not suffice" in page(active, record(active, trades=3, wins=3))
    assert "does not suffice" not in page(active, record(active))


def test_an_invalidated_thesis_that_is_traded_is_warned_of(edited) -> None:
    over = edited("theses/TH-001.yaml", ("status: PENDING", "status: INVALIDATED"))
    assert "a strategy still runs on it" in page(over, record(over, wins=1))


def test_earlier_rules_are_marked(book) -> None:
    assert "earlier rules" not in page(book, record(book))
    earlier = page(book, record(book, rules_digest="b" * 64))
    assert "| earlier rules |" in earlier
    assert "Some of this evidence is of earlier rules" in earlier


def test_other_values_are_shown_and_not_counted(book) -> None:
    tried = record(book, data_set="tried", overrides=(("stop_loss_pct", "0.004"),), wins=100)
    entry, *_ = registry(book, [record(book), tried])
    assert (entry.trades, entry.wins) == (100, 45)
    assert "not counted: stop_loss_pct 0.004" in page(book, record(book), tried)


def test_a_record_of_no_known_thesis_is_told(book) -> None:
    assert strangers(book, [record(book)]) == []
    assert "TH-009" in strangers(book, [record(book, thesis="TH-009")])[0]


def test_a_record_appears_on_the_page_and_a_removed_one_goes(book, tmp_path: Path) -> None:
    write_pages(book, tmp_path)
    assert stale_pages(book, tmp_path) == []
    made = record(book)
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / made.file_name).write_text(made.to_text(), encoding="utf-8")
    (stale,) = stale_pages(book, tmp_path)
    assert stale.startswith(REGISTRY)
    write_pages(book, tmp_path)
    assert stale_pages(book, tmp_path) == []
    assert f"(evidence/{made.file_name})" in (tmp_path / REGISTRY).read_text(encoding="utf-8")
    (folder / made.file_name).unlink()
    assert stale_pages(book, tmp_path)


def test_every_sentence_about_a_thesis_leads_to_its_file(book) -> None:
    said = page(book, record(book))
    assert "(rules/theses/TH-001.yaml.md#line-2)" in said
    assert "| Thesis ID | Description | Strategy | Status | Evidence |" in said
