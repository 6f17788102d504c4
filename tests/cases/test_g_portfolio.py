"""The shared account in the rules: what is refused before anything runs."""

from __future__ import annotations

import pytest

from mqd.ground.errors import RuleError
from mqd.rules.problems import Problem

PORTFOLIO = "desk/portfolio.yaml"
OTHER = "share: 0.25\n    min: 0.1\n    max: 0.3"


@pytest.mark.case(106)
@pytest.mark.parametrize("share", ["0.5001", "0.6", "1"])
def test_case_106_shares_beyond_the_whole_account_are_refused(edited, share):
    """0.5 and 0.5001 are 100.01 %."""
    given = f"share: {share}\n    min: 0.1\n    max: 1"
    with pytest.raises(RuleError) as caught:
        edited({PORTFOLIO: {OTHER: given}})
    (problem,) = [each for each in caught.value.problems if isinstance(each, Problem)]
    assert problem.code == "ALLOCATION_ABOVE_WHOLE"
    assert problem.place.file.endswith(PORTFOLIO)
    together = {"0.5001": "100.01 %", "0.6": "110 %", "1": "150 %"}
    assert together[share] in problem.to_text()


@pytest.mark.case(106)
def test_case_106_the_whole_account_and_less_is_taken(edited):
    for share in ("0.5", "0.4999", "0.1"):
        book = edited({PORTFOLIO: {OTHER: f"share: {share}\n    min: 0.1\n    max: 1"}})
        assert book.portfolio is not None
        assert sum(each.share for each in book.portfolio.allotments) <= 1
