"""Written pages that quote the rules quote them as they are."""

from __future__ import annotations

import re
from pathlib import Path

from mqd.rules.english import English
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-a-rule-travels.md"
CODE = "PRICE_ABOVE_THRESHOLD"


def test_the_travelling_rule_is_the_shipped_one():
    page = PAGE.read_text(encoding="utf-8")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = ROOT / "rules" / "strategies" / "vwap_micro_mean_reversion.yaml"
    assert yaml in file.read_text(encoding="utf-8")
    book = load_rules(ROOT / "rules")
    strategy = book.strategies[0]
    (rule,) = [rule for rule in strategy.no_trade if rule.code == CODE]
    sentence = English(strategy.params, book.limits).sentence(rule.when)
    without_number, numbers = re.subn(r"[0-9.]+ %", "...", sentence)
    assert numbers == 1, "the page has dots in the place of one number, so that it may change"
    assert f"> {without_number}\n" in page
