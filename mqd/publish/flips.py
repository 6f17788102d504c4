"""The smallest change that would have made a decision another one.

One recorded value, one param or one limit is changed, everything else stays as recorded, and the
compiled rules decide again: a change is told only if they then say something else. Where no single
one does it, several are changed together.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd.model.decision import ENTER, EXIT, NO_TRADE, REFUSED
from mqd.publish.changes import Change, nearest
from mqd.publish.situation import Situation
from mqd.publish.together import changed_together
from mqd.rules.book import Condition
from mqd.rules.expressions.scope import FACT, LIMIT, MEASURE, PARAM


class Flips(NamedTuple):
    """What would have made the decision `towards` another: the nearest change of each name.

    `together` are the changes that do it only with one another, where no single one does.
    `against` are the conditions that would have to turn, `unchecked` those that nobody looked at
    and that are taken to let the order pass. `is_sound` is False where the record, decided again,
    does not come to itself, so that nothing can be said.
    """

    towards: str
    against: tuple[str, ...]
    changes: tuple[Change, ...]
    together: tuple[Change, ...] = ()
    unchecked: tuple[str, ...] = ()
    is_sound: bool = True

    @property
    def by_market(self) -> Change | None:
        """The nearest change of what the bar brought; measures follow bars, entries are past."""
        facts = [item for item in self.changes if item.kind in {FACT, MEASURE}]
        return min(facts, key=lambda item: item.rank > 0, default=None)

    @property
    def by_rule(self) -> Change | None:
        """The nearest change of a param or limit within its range."""
        return next((item for item in self.changes if item.kind in {PARAM, LIMIT}), None)


def flips_of(situation: Situation) -> Flips:
    """The single changes that would each have flipped the whole decision, nearest first."""
    towards = towards_of(situation)
    if not situation.is_sound:
        return Flips(towards, (), (), is_sound=False)
    against = in_question(situation)
    # An order that leaves for no reason to stop it could be stopped by any; else all must turn.
    codes = tuple(rule.code for rule in against) if _must_all_turn(situation) else ()
    changes = nearest(situation, against, lambda changed: changed.outcome() == towards)
    if situation.decision.outcome == ENTER:
        changes = nearest(
            situation, against, lambda changed: changed.outcome() in {NO_TRADE, REFUSED}
        )
    is_order = towards in {ENTER, EXIT}
    together = changed_together(situation, towards) if is_order and not changes else ()
    unchecked = situation.unchecked() if is_order else ()
    return Flips(towards, codes, changes, together, unchecked)


def towards_of(situation: Situation) -> str:
    """What a decision would be flipped to."""
    if situation.decision.outcome in {ENTER, EXIT}:
        return NO_TRADE
    return EXIT if situation.is_held else ENTER


def turning(situation: Situation, rule: Condition) -> tuple[Change, ...]:
    """The nearest change of each name that alone turns this one condition, nearest first."""
    if not situation.is_sound:
        return ()
    was_true = rule.code in situation.true_codes()
    return nearest(
        situation, (rule,), lambda changed: (rule.code in changed.true_codes()) != was_true
    )


def _must_all_turn(situation: Situation) -> bool:
    """Whether every condition in question has to become false, not any one true."""
    outcome = situation.decision.outcome
    return outcome != ENTER and not (outcome == NO_TRADE and situation.is_held)


def in_question(situation: Situation) -> tuple[Condition, ...]:
    """The conditions whose turning could flip the decision."""
    decision, rules = situation.decision, situation.compiled.rules
    others = [item.rule for item in situation.others()]
    true = situation.true_codes()
    match decision.outcome:
        case "ENTER":
            return (*rules.no_trade, *others)
        case "EXIT":
            return tuple(rule for rule in rules.exits if rule.code in true)
        case "EXIT_WAITS":
            return tuple(rule for rule in others if rule.code in true)
    if situation.is_held:
        return rules.exits
    return tuple(rule for rule in (*rules.no_trade, *others) if rule.code in true)
