"""Which row of a watch acts, and when a person is told again."""

from __future__ import annotations

from mqd.engine.state import DeskState
from mqd.engine.watch import first_row
from mqd.rules.compile.book import compile_book


def test_the_first_true_row_acts_and_a_page_is_made_once(shipped):
    book = compile_book(shipped)
    rules, acts = book.position_watch, book.position_watch_acts
    bits = {code: 1 << bit for bit, code in enumerate(rules.codes)}
    closing, spent, unseen = (
        bits[code] for code in ("CLOSE_ORDERED", "EXIT_ATTEMPTS_SPENT", "NOT_WATCHED")
    )
    state = DeskState()

    def row(mask: int) -> tuple[str, str] | None:
        return first_row(state, rules, acts, mask, "s/SPY")

    assert row(0) is None
    assert row(closing | spent) == ("CLOSE_ORDERED", "close")
    assert row(spent | unseen) == ("EXIT_ATTEMPTS_SPENT", "page")
    state.paged |= {("EXIT_ATTEMPTS_SPENT", "s/SPY"), ("NOT_WATCHED", "s/SPY")}
    assert row(spent | unseen) is None
    assert row(closing) == ("CLOSE_ORDERED", "close")  # both pages have stopped being true
    assert row(spent | unseen) == ("EXIT_ATTEMPTS_SPENT", "page")
    assert first_row(state, rules, acts, spent, "other/SPY") == ("EXIT_ATTEMPTS_SPENT", "page")
