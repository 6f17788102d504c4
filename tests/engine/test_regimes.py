"""The regime of the market: by finished sessions, told at the open, the same for the whole day."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.engine.regimes import regime_of
from mqd.engine.sessions import FORMULAS
from mqd.engine.state import SymbolFacts
from mqd.model.session_bar import SessionBar
from mqd.rules.book import Regimes
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
DAY_NS = 86_400_000_000_000
HOURS_NS = DAY_NS * 6 // 24


@pytest.fixture(scope="module")
def regimes() -> Regimes:
    found = load_rules(ROOT / "rules").regimes
    assert found is not None
    return found


def sessions(
    closes: list[float], swing: float = 0.5, every_ns: int = DAY_NS
) -> tuple[SessionBar, ...]:
    return tuple(
        SessionBar(str(n), n * every_ns, n * every_ns + HOURS_NS, at + swing, at - swing, at)
        for n, at in enumerate(closes)
    )


def regime(regimes: Regimes, bars: tuple[SessionBar, ...], later_ns: int = DAY_NS) -> str:
    return regime_of(regimes, SymbolFacts("SPY", sessions=bars), bars[-1].open_ns + later_ns)


def test_the_true_range_takes_the_gap_in() -> None:
    bars = (
        SessionBar("a", 0, 1, 101.0, 99.0, 100.0),
        SessionBar("b", 2, 3, 104.0, 103.0, 103.5),  # opened far above: 104 - 100
        SessionBar("c", 4, 5, 103.0, 101.0, 102.0),  # and fell: 103.5 - 101
    )
    assert FORMULAS["atr"](bars, 2) == pytest.approx((4.0 + 2.5) / 2)
    assert FORMULAS["atr"](bars, 3) is None  # there is no close before the first


def test_the_slope_is_that_of_the_nearest_line() -> None:
    assert FORMULAS["slope"](sessions([100, 101, 102, 103]), 4) == pytest.approx(1.0)
    # worked by hand: (-1 * 100 + 0 * 104 + 1 * 101) / 2
    assert FORMULAS["slope"](sessions([100, 104, 101]), 3) == pytest.approx(0.5)
    assert FORMULAS["slope"](sessions([100, 101]), 3) is None
    assert FORMULAS["slope"](sessions([100]), 1) is None


def test_the_last_close_is_the_newest() -> None:
    assert FORMULAS["last"](sessions([100, 104]), 1) == 104
    assert FORMULAS["last"]((), 1) is None


@pytest.mark.rule("HIGH_VOL", "LOW_VOL", "CHOPPY", "TRENDING_UP", "TRENDING_DOWN")
@pytest.mark.parametrize(
    ("closes", "swing", "expected"),
    [
        ([100.0] * 21, 0.6, "HIGH_VOL"),  # 1.2 of 100 a day: the boundary belongs to it
        ([100.0] * 21, 0.5999, "CHOPPY"),
        ([100.0] * 21, 0.425, "CHOPPY"),  # 0.85 of 100 is not below 0.85
        ([100.0] * 21, 0.4249, "LOW_VOL"),
        ([100 + 0.2 * n for n in range(21)], 0.5, "TRENDING_UP"),  # 0.2 of a range of 1.0
        ([100 + 0.199 * n for n in range(21)], 0.5, "CHOPPY"),
        ([104 - 0.2 * n for n in range(21)], 0.5, "TRENDING_DOWN"),
        ([104 - 0.199 * n for n in range(21)], 0.5, "CHOPPY"),
    ],
)
def test_each_regime_on_both_sides_of_its_boundary(regimes, closes, swing, expected) -> None:
    assert regime(regimes, sessions(closes, swing)) == expected


def test_too_few_sessions_tell_nothing(regimes) -> None:
    assert regime(regimes, sessions([100.0] * 20)) == ""
    assert regime(regimes, sessions([100.0] * 21)) == "CHOPPY"


def test_a_long_break_forgets_what_was_before(regimes) -> None:
    bars = sessions([100.0] * 21)
    week_ns = 7 * DAY_NS
    assert regime(regimes, bars, HOURS_NS + week_ns) == "CHOPPY"
    assert regime(regimes, bars, HOURS_NS + week_ns + 1) == ""
    apart = sessions([100.0] * 21, every_ns=week_ns + HOURS_NS + 1)
    assert regime(regimes, apart) == ""


def day(bench, day: int, close: float, *, late: int = 0) -> None:
    """A session of a few bars; `late` minutes of it are missing at its start."""
    bench.open(day)
    for minute in range(late, late + 3):
        bench.bar(minute, close, high=close + 0.5, low=close - 0.5)
    bench.close()


@pytest.mark.rule("CHOPPY")
def test_the_engine_keeps_whole_sessions_and_tells_at_the_open(bench) -> None:
    for number in range(21):
        day(bench, number, 100.0)
    facts = bench.state.symbols["SPY"]
    assert len(facts.sessions) == 21
    assert facts.sessions[-1][3:] == (100.5, 99.5, 100.0)
    assert not facts.regime  # of the session that has just closed: it had 20 before it
    bench.open(21)
    assert facts.regime == "CHOPPY"
    bench.bar(0, 300.0)
    assert facts.regime == "CHOPPY"  # it stays until the next open, whatever happens


def test_a_session_without_its_first_bar_counts_as_none(bench) -> None:
    day(bench, 0, 100.0)
    day(bench, 1, 100.0, late=5)
    assert [bar.open_ns for bar in bench.state.symbols["SPY"].sessions] == [
        bench.open_ns - 86_400_000_000_000
    ]
