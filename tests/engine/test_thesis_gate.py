"""With real money a strategy opens something only while its thesis is ACTIVE."""

from __future__ import annotations

import pytest

from mqd.publish.thesis_gate import refused_by, thesis_warnings
from mqd.rules.words.facts import PROFILES
from mqd.rules.words.theses import THESIS_STATUSES

CODE = "THESIS_NOT_ACTIVE"
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
THESIS_FILE = "theses/TH-001.yaml"


@pytest.fixture
def with_thesis(edited):
    def load(status):
        edits = {STRATEGY_FILE: {"status: paper": "status: live"}}
        if status != "PENDING":
            edits[THESIS_FILE] = {"status: PENDING": f"status: {status}"}
        return edited(edits)

    return load


def opened(bench) -> bool:
    bench.calm()
    bench.warm()
    bench.bar(bench.ten, 99.5)
    return bool(bench.decision().outcome == "ENTER")


@pytest.mark.rule(CODE)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("status", THESIS_STATUSES)
def test_only_an_active_thesis_opens_anything_with_real_money(
    with_thesis, make_bench, status, profile
):
    book = with_thesis(status)
    bench = make_bench(book, profile)
    is_refused = profile == "live" and status != "ACTIVE"
    assert opened(bench) is not is_refused
    checks = bench.engine.book.entry_checks.true_codes(bench.decision().checks)
    assert checks == ((CODE,) if is_refused else ())
    assert refused_by(book, status, profile) == checks


@pytest.mark.rule(CODE)
def test_exits_go_on_whatever_becomes_of_the_thesis(with_thesis, make_bench):
    bench = make_bench(with_thesis("ACTIVE"), "live")
    bench.calm()
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id)
    bench.restart(with_thesis("INVALIDATED"), "live")
    bench.bar(bench.ten + 1, 99.0)
    assert bench.decision().exits
    assert bench.decision().outcome == "EXIT"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("status", THESIS_STATUSES)
def test_a_start_says_what_real_money_would_be_told(with_thesis, status, profile):
    lines = thesis_warnings(with_thesis(status), profile)
    if status == "ACTIVE":
        assert lines == ()
        return
    (line,) = lines
    assert f"TH-001 is {status}" in line
    assert CODE in line
    assert ("opens nothing here" in line) is (profile == "live")


def test_a_desk_whose_rules_do_not_ask_says_nothing(edited):
    text = "  THESIS_NOT_ACTIVE:\n    when: desk.profile == live and strategy.thesis != ACTIVE\n"
    book = edited(
        {"orders/checks.yaml": {text: "  THESIS_NOT_ACTIVE:\n    when: desk.queued_orders > 99\n"}}
    )
    assert thesis_warnings(book, "paper") == ()
