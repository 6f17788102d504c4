"""Some entry is possible at the declared size of the account, and a pause outlasts its reason."""

from __future__ import annotations

import pytest

from mqd.rules.problems import ERROR, WARNING

LIMITS, PORTFOLIO = "limits/desk.yaml", "desk/portfolio.yaml"
FIRST = "strategies/vwap_micro_mean_reversion.yaml"
SECOND = "strategies/momentum_following.yaml"
WATCH = "strategies/watch.yaml"
CODE = "NO_ENTRY_POSSIBLE"
ACCOUNT = "assumed_equity_usd:\n    value: {}\n"
CALM = "vix_calm:\n    value: {}\n"
OWN = "share: 0.5\n    min: 0.3\n    max: 0.6"
OTHERS = "share: 0.25\n    min: 0.1\n    max: 0.3"


def account(folder, usd):
    folder.replace(LIMITS, ACCOUNT.format(2500), ACCOUNT.format(usd))


def refused(folder):
    """By the last word of its rule: how bad it is that this strategy can never enter."""
    found = [one for one in folder.problems() if one.code == CODE]
    assert {one.place.file.endswith(PORTFOLIO) for one in found} <= {True}
    return {one.rule.rpartition(".")[2]: one.severity for one in found}


def exactly(folder):
    """Sizes that rounding leaves as they are asked for: 500 USD at every price."""
    for file in (FIRST, SECOND):
        folder.replace(file, "step: 0.001", "step: 0.000000000001")


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION", "assumed_equity_usd")
def test_an_account_that_no_planned_entry_fits_is_refused_before_it_never_trades(folder):
    account(folder, 900)
    assert refused(folder)["vwap_micro_mean_reversion"] == ERROR
    (told, *_) = [one for one in folder.problems() if one.code == CODE]
    assert "may use 450 USD, and an entry of its size costs 500 USD" in told.message
    assert "EXCEEDS_STRATEGY_ALLOCATION" in told.message


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION")
@pytest.mark.parametrize(("usd", "fits"), [("1000", True), ("999.98", False)])
def test_what_may_be_used_to_the_cent_is_enough(folder, usd, fits):
    """As it is when an entry is asked for: half of the account against 500 USD."""
    exactly(folder)
    account(folder, usd)
    assert ("vwap_micro_mean_reversion" not in refused(folder)) is fits


@pytest.mark.rule("PORTFOLIO_EXPOSURE")
@pytest.mark.parametrize(("usd", "fits"), [("625.02", True), ("625", False)])
def test_at_the_largest_exposure_nothing_is_opened_so_reaching_it_is_not_enough(folder, usd, fits):
    exactly(folder)
    folder.replace(PORTFOLIO, OWN, "share: 0.9\n    min: 0.3\n    max: 0.9")
    folder.replace(PORTFOLIO, OTHERS, "share: 0.1\n    min: 0.1\n    max: 0.3")
    account(folder, usd)
    assert ("vwap_micro_mean_reversion" not in refused(folder)) is fits


@pytest.mark.parametrize(("status", "severity"), [("draft", WARNING), ("paper", ERROR)])
def test_a_draft_is_only_warned(folder, status, severity):
    folder.replace(SECOND, "status: draft", f"status: {status}")
    account(folder, 1900)  # a quarter of it is 475 USD
    assert refused(folder) == {"momentum_following": severity}
    assert (folder.report().book is not None) is (severity == WARNING)


def test_whole_shares_may_cost_less_than_was_asked_for(folder):
    """One share at 251 USD is an entry; 500 USD are never spent on two."""
    folder.replace(FIRST, "step: 0.001", "step: 1")
    account(folder, 600)
    assert "vwap_micro_mean_reversion" not in refused(folder)


def test_a_size_that_the_market_decides_is_left_alone(folder):
    folder.replace(
        SECOND, "max_notional_usd / bar.close)", "max_notional_usd / bar.close, session.bars * 1)"
    )
    text = folder.text(SECOND)
    assert "session.bars * 1" in text
    account(folder, 1900)
    assert "momentum_following" not in refused(folder)


@pytest.mark.rule("MARKET_TOO_WILD", "vix_calm", "vix_wild")
@pytest.mark.parametrize(("calm", "told"), [("25", False), ("30", False), ("30.1", True),
                                            ("31", True), ("80", True)])  # fmt: skip
def test_a_pause_that_ends_at_the_value_that_began_it_is_refused(folder, calm, told):
    """At the same number it cannot: the one is above it, the other below."""
    folder.replace(LIMITS, CALM.format(25), CALM.format(calm))
    codes = [one.code for one in folder.problems()]
    assert codes == (["PAUSE_ENDS_AT_ONCE"] if told else [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limits.vix_calm", "limits.vix_calm or strategy.paused_this_week"),
        ("until: not strategy.paused_this_week", "until: record.week_pnl > 0"),
    ],
)
def test_a_pause_that_reads_more_than_a_series_is_left_alone(folder, old, new):
    folder.replace(WATCH, old, new)
    assert not folder.problems()
