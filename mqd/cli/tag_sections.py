"""What a day's trades are filed under, and the entries of the day that ended short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mqd.cli.attribution_sections import entries_section
from mqd.cli.happenings import entered_text
from mqd.cli.sections import Section
from mqd.publish.figures import signed_usd

if TYPE_CHECKING:
    from mqd.publish.daily import DailyReport

_COLUMNS = (
    "Entry ET (UTC)", "Strategy", "P&L USD", "Tag", "Counts as", "Regime", "Failure regimes",
)  # fmt: skip


def tag_sections(found: DailyReport) -> Iterator[Section]:
    """Whose result each trade was, in which market and how it failed; nothing without any."""
    if found.tagged:
        rows = tuple(
            (entered_text(item.risk.trade), item.risk.trade.strategy,
             signed_usd(item.risk.trade.pnl_usd), item.tag, item.counts_as, item.regime,
             ", ".join(item.failures) or "-")
            for item in found.tagged
        )  # fmt: skip
        yield Section("Whose result", (), (), _COLUMNS, rows, frozenset({"P&L USD"}))
    if found.ended_short:
        yield entries_section(found.ended_short)
