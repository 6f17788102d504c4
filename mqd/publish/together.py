"""Several values changed together, where no single change would have made the decision another.

Step by step the change is made that leaves fewest conditions in the way, the nearest of those that
leave as few; then every change that turns out not to be needed is taken back. What is left is
checked by deciding again. Another set of as many changes may do it too.
"""

from __future__ import annotations

from collections.abc import Iterable

from mqd.model.decision import EXIT
from mqd.publish.changes import Change, change_of, nearest
from mqd.publish.situation import Situation
from mqd.rules.book import Condition


def changed_together(situation: Situation, towards: str) -> tuple[Change, ...]:
    """The changes that lead to the order `towards` with one another, nearest first.

    There are none where something stands in the way that nothing recorded turns.
    """
    made: dict[str, Change] = {}
    now = situation
    while left := _left(now, towards):
        change = _best(now, towards, left)
        if change is None:
            return ()
        now = now.changed(change.name, change.after)
        made[change.name] = change_of(situation, change.subject, change.name, change.after)
    if now.outcome() != towards:
        return ()
    for change in sorted(made.values(), key=lambda change: (-change.rank, -change.nearness)):
        others = [other for other in made.values() if other is not change]
        if _with(situation, others).outcome() == towards:
            del made[change.name]
    was_true, now = situation.true_codes(), _with(situation, made.values())
    turned = tuple(sorted(was_true ^ now.true_codes()))
    found = sorted(made.values(), key=lambda change: (change.nearness, change.name))
    return tuple(change._replace(turned=turned, leads_to=towards) for change in found)


def _best(now: Situation, towards: str, left: int) -> Change | None:
    """The change after which least is in the way; among such the first in rank, and the nearest."""
    options = nearest(now, _in_the_way(now, towards), lambda then: _left(then, towards) < left)
    return min(
        options,
        key=lambda change: (
            _left(now.changed(change.name, change.after), towards), change.rank, change.nearness,
        ),
        default=None,
    )  # fmt: skip


def _with(situation: Situation, changes: Iterable[Change]) -> Situation:
    for change in changes:
        situation = situation.changed(change.name, change.after)
    return situation


def _in_the_way(now: Situation, towards: str) -> tuple[Condition, ...]:
    """Every condition that would have to turn; of exits, where none is true, any one."""
    rules, true = now.compiled.rules, now.true_codes()
    others = tuple(item.rule for item in now.others() if item.rule.code in true)
    if towards == EXIT:
        return others if _exits(now) else (*rules.exits, *others)
    return (*(rule for rule in rules.no_trade if rule.code in true), *others)


def _left(now: Situation, towards: str) -> int:
    """How many conditions would have to turn; the exits count as one."""
    found = len(_in_the_way(now, towards))
    if towards == EXIT and not _exits(now):
        found += 1 - len(now.compiled.rules.exits)
    return found


def _exits(now: Situation) -> bool:
    return bool(now.answers[1])
