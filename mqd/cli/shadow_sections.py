"""The shadow ledger in words: what protections kept out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqd.publish.figures import signed_usd

if TYPE_CHECKING:
    from mqd.publish.shadow import ShadowReport

COLUMNS = (
    "protection", "bars it stood", "wishes", "entries", "won", "would have made", "alone",
    "made alone", "postponed",
)  # fmt: skip


def table_rows(found: ShadowReport) -> list[tuple[str, ...]]:
    """One row for each protection that stood in the way of any bar; money in USD."""
    return [
        (
            row.protection, f"{row.bars:,}", f"{row.wishes:,}", f"{row.trades:,}", f"{row.won:,}",
            signed_usd(row.pnl_usd), f"{row.alone:,}", signed_usd(row.alone_usd),
            f"{row.postponed:,}",
        )
        for row in found.rows if row.bars
    ]  # fmt: skip


def sum_text(found: ShadowReport) -> str:
    """All together, each entry once, and the protections that never stood in the way."""
    idle = [row.protection for row in found.rows if not row.bars]
    text = (
        f"entries that protections kept out: {len(found.trades):,}; together they would have made "
        f"{signed_usd(found.pnl_usd)} USD"
    )
    if found.stopped:
        text += f"; could not be followed: {found.stopped:,}"
    return text + (f"; never on: {', '.join(idle)}" if idle else "")
