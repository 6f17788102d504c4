"""What is asked before the start, where an answer is not what it seems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mqd.app.account import Account
from mqd.app.preflight import FAILED, OK, Check, Preflight
from mqd.app.settings import read_settings
from mqd.brokers.alpaca.session import AlpacaSession
from mqd.ground.times import NS_PER_S, iso_utc
from mqd.ports.account import Addresses
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clock_check(odd, make, words, tmp_path):
    """`clock_check(behind_s, takes_s)`: the broker's clock, told after that many seconds."""

    def check(behind_s: int, takes_s: int) -> Check:
        clock = make.clock()

        def answer(_asked):
            told_ns = clock.at_ns - behind_s * NS_PER_S
            clock.at_ns += takes_s * NS_PER_S
            return 200, json.dumps({"timestamp": iso_utc(told_ns)})

        odd.answer = answer
        session = AlpacaSession(make.keys, odd.url, words.requests, clock, lambda _call: None)
        account = Account(make.keys, Addresses(odd.url, odd.url, "", ""), "paper", "iex", False)
        book = load_rules(ROOT / "rules")
        preflight = Preflight(read_settings("paper"), account, book, clock, session)
        try:
            found = list(preflight.checks(str(tmp_path / "x.db")))
        finally:
            preflight.close()
        (told,) = [each for each in found if each.name == "clock"]
        return told

    return check


@pytest.mark.parametrize(
    ("behind_s", "takes_s", "verdict"),
    [(0, 0, OK), (0, 4, OK), (1, 0, OK), (2, 0, FAILED), (-2, 0, FAILED), (-2, 4, OK)],
)
def test_a_clock_that_may_be_right_is_not_called_wrong(clock_check, behind_s, takes_s, verdict):
    """A slow answer was told somewhere between the question and its coming."""
    assert clock_check(behind_s, takes_s).verdict == verdict
