from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.brokers.alpaca.pace import Pace

NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S


class HandClock:
    def __init__(self) -> None:
        self.at_ns = 0

    def now_ns(self) -> int:
        return self.at_ns


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def pace(words, make, clock):
    limits = make.with_requests(
        words, most_per_minute=10, kept_for_exits=0.4, first_pause_s=1.0, longest_pause_s=30.0
    ).requests
    return Pace(limits, clock.now_ns)


@pytest.mark.rule("most_per_minute", "kept_for_exits")
def test_a_share_is_kept_for_what_is_urgent(pace):
    assert [pace.take(is_urgent=False) for _ in range(6)] == [0] * 6
    assert pace.take(is_urgent=False) == MINUTE_NS
    assert [pace.take(is_urgent=True) for _ in range(4)] == [0] * 4
    assert pace.take(is_urgent=True) == MINUTE_NS


def test_a_token_comes_back_a_minute_after_it_was_spent(pace, clock):
    assert pace.take(is_urgent=False) == 0
    clock.at_ns = 20 * NS_PER_S
    for _ in range(9):
        pace.take(is_urgent=True)
    assert pace.take(is_urgent=True) == 40 * NS_PER_S
    clock.at_ns = MINUTE_NS
    assert pace.take(is_urgent=True) == 0
    assert pace.take(is_urgent=True) == 20 * NS_PER_S


@pytest.mark.case(227)
@pytest.mark.rule("most_per_minute")
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=80))
def test_no_minute_holds_more_than_the_most(shipped_words, make, steps):
    limits = make.with_requests(shipped_words, most_per_minute=10, kept_for_exits=0.4).requests
    clock = HandClock()
    pace, taken = Pace(limits, clock.now_ns), []
    for wait_s, is_urgent in steps:
        clock.at_ns += wait_s * NS_PER_S
        if pace.take(is_urgent=is_urgent) == 0:
            taken.append(clock.at_ns)
    for start_ns in taken:
        assert sum(start_ns <= each < start_ns + MINUTE_NS for each in taken) <= 10


def test_who_waits_as_long_as_told_gets_a_token(pace, clock):
    for _ in range(30):
        wait_ns = pace.take(is_urgent=False)
        if wait_ns:
            clock.at_ns += wait_ns
            assert pace.take(is_urgent=False) == 0


@pytest.mark.case(7)
def test_too_many_empties_the_bucket_for_as_long_as_the_broker_says(pace, clock):
    pace.was_refused(7.0)
    assert pace.take(is_urgent=True) == 7 * NS_PER_S
    clock.at_ns = 7 * NS_PER_S
    assert pace.take(is_urgent=True) == 0


@pytest.mark.case(7)
@pytest.mark.rule("longest_pause")
def test_a_pause_that_is_absurd_is_cut(pace):
    pace.was_refused(86_400.0)
    assert pace.take(is_urgent=True) == 30 * NS_PER_S


@pytest.mark.case(7)
@pytest.mark.rule("first_pause", "longest_pause")
def test_without_a_word_the_pause_doubles_until_an_answer_comes(pace, clock):
    pauses = []
    for _ in range(7):
        pace.was_refused(None)
        pauses.append(pace.take(is_urgent=True) // NS_PER_S)
        clock.at_ns += pauses[-1] * NS_PER_S
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    pace.was_taken(None, None)
    pace.was_refused(None)
    assert pace.take(is_urgent=True) == NS_PER_S


def test_where_others_use_the_account_the_broker_s_count_is_right(pace, clock):
    pace.was_taken(2, 15.0)
    assert [pace.take(is_urgent=True) for _ in range(2)] == [0, 0]
    assert pace.take(is_urgent=True) == 15 * NS_PER_S
    clock.at_ns = 15 * NS_PER_S
    assert pace.take(is_urgent=True) == 0


def test_a_broker_that_counts_more_than_we_may_changes_nothing(pace):
    pace.was_taken(200, 15.0)
    assert sum(pace.take(is_urgent=True) == 0 for _ in range(20)) == 10
