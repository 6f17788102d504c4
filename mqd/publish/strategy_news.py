"""What became of strategies: moves of their lives, promotions, changed shares of the account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.decision import AllocationChanged, Figure, PromotionProposed, StrategyMoved

StrategyNews = StrategyMoved | PromotionProposed | AllocationChanged
STRATEGY_NEWS = (StrategyMoved, PromotionProposed, AllocationChanged)


def news_json(news: Iterable[StrategyNews]) -> dict[str, list[dict[str, Any]]]:
    """The news for a program, by kind: times in UTC, shares as exact text, figures by name."""
    found: dict[str, list[dict[str, Any]]] = {
        "strategy_moves": [], "promotions_proposed": [], "share_changes": [],
    }  # fmt: skip
    for note in news:
        row: dict[str, Any] = {"at": iso_utc(note.at_ns), "strategy": note.strategy}
        match note:
            case StrategyMoved():
                found["strategy_moves"].append(
                    row | {"from": note.from_state, "to": note.to_state, "rule": note.rule,
                           "row": note.row or None, "record": _figures(note.names, note.values)}
                )  # fmt: skip
            case PromotionProposed():
                found["promotions_proposed"].append(
                    row | {"row": note.row, "share": decimal_text(note.share),
                           "waits": note.waits, "record": _figures(note.names, note.values)}
                )  # fmt: skip
            case AllocationChanged():
                found["share_changes"].append(
                    row | {"from": decimal_text(note.from_share),
                           "to": decimal_text(note.to_share), "why": note.why}
                )  # fmt: skip
    return found


def _figures(names: tuple[str, ...], values: tuple[Figure, ...]) -> dict[str, Figure]:
    return dict(zip(names, values, strict=True))
