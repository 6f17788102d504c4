"""A decision made again from its record, as it was or with one value changed.

The strategy is run anew by the functions that decided at the time. Protections, data rules and
checks are asked again where the record holds everything they read; otherwise their recorded
answer stands, unless it could depend on what was changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from mqd.engine.protections import WHOLE
from mqd.model.decision import ENTER, EXIT, EXIT_WAITS, NO_TRADE, REFUSED, Decision
from mqd.model.event import BarClosed
from mqd.publish.recorded_values import bar_facts
from mqd.rules.book import Condition, Param
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.emit import LARGEST_WHOLE
from mqd.rules.compile.question import Given, arguments_for, declared, number_of, truth_of
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.expressions import ir
from mqd.rules.words.blocking import WHILE_TRUE
from mqd.rules.words.facts import ENTRY_QTY, FACTS

UNCERTAIN = "UNCERTAIN"
IS_OPEN = "position.is_open"
_STOP_STEP = Decimal("0.000001")
_QTY = "order.qty"
_PAUSES = "strategy.pauses_in_regime"
_SINCE_SAME = "order.since_same"
"""Depends on orders before this one, which no record of a decision holds."""


class Stand(NamedTuple):
    """A condition beside the strategy's own: its recorded answer, None where nobody looked.

    `is_latched` tells that it stays true whatever it reads now.
    """

    rule: Condition
    recorded: bool | None
    is_latched: bool = False


@dataclass(frozen=True)
class Situation:
    """Every value that a decision could read, by name; `base` is the situation as recorded.

    `tripped` are the protections that tripped on this very bar: they hold because of what was read
    now, not since earlier. `kept` is the part of its size that protections left an entry.
    """

    decision: Decision
    book: CompiledBook
    given: Mapping[str, Given]
    tripped: frozenset[str] = frozenset()
    kept: Decimal = WHOLE
    base: Situation | None = None

    @classmethod
    def of(
        cls,
        decision: Decision,
        bar: BarClosed,
        book: CompiledBook,
        tripped: frozenset[str] = frozenset(),
        kept: Decimal = WHOLE,
    ) -> Situation:
        """The situation as the record has it; an older record may lack the last of the facts."""
        compiled = book.strategy(decision.strategy)
        given: dict[str, Given] = dict(bar_facts(bar))
        given |= zip(compiled.fact_names, decision.facts, strict=False)
        given |= {item.name: declared(item) for item in compiled.rules.params}
        given |= {PREFIX + item.name: declared(item) for item in book.rules.limits}
        return cls(decision, book, given, tripped, kept)

    def changed(self, name: str, value: Given) -> Situation:
        """The same with one value changed; a limit changes for every param that reads it."""
        given = dict(self.given)
        given[name] = value
        limit = name.removeprefix(PREFIX) if name.startswith(PREFIX) else None
        for param in self.compiled.rules.params:
            if limit is not None and param.limit == limit:
                given[param.name] = value
        base = self.base or self
        return Situation(self.decision, self.book, given, self.tripped, self.kept, base)

    # -- what the values come to ---------------------------------------------------------------

    @property
    def compiled(self) -> CompiledStrategy:
        """The strategy whose decision it is."""
        return self.book.strategy(self.decision.strategy)

    @property
    def is_held(self) -> bool:
        """Whether the strategy held a position: as recorded, else as the record betrays it."""
        if IS_OPEN in self.given:
            return bool(self.given[IS_OPEN])
        decision = self.decision
        is_idle = decision.outcome == NO_TRADE and not decision.no_trade
        return decision.outcome in {EXIT, EXIT_WAITS} or is_idle

    @cached_property
    def answers(self) -> tuple[int, int, int, float, bool]:
        """What the strategy's own functions say: both masks, lots, stop, and whether it is known.

        Exits count only while something is held, as on the desk.
        """
        compiled = self.compiled
        arguments = compiled.constants | arguments_for(_read_by(compiled), self.given)
        mask = compiled.fixed(*(arguments[name] for name in compiled.arguments["fixed"]))
        arguments["mask"] = mask
        no_trade, exits, lots, stop, stop_known = compiled.rest(
            *(arguments[name] for name in compiled.arguments["rest"])
        )
        return no_trade, exits if self.is_held else 0, lots, stop, stop_known

    @cached_property
    def values(self) -> dict[str, Given]:
        """The given values, and what the entry's size and order follow to be."""
        _, _, lots, stop, stop_known = self.answers
        sizing = self.compiled.rules.entry.qty
        step = float(sizing.step)
        size = number_of(sizing.value).asked(self.given)
        fits = size is not None and 0.0 <= size < LARGEST_WHOLE * step
        found = {**self.given, ENTRY_QTY.name: lots * step if fits else None}
        if self.is_held:
            return found
        planned = Decimal(repr(stop)).quantize(_STOP_STEP) if stop_known else None
        qty = int(lots * self.kept) * sizing.step
        return found | {
            _QTY: float(qty),
            "order.is_fractional": qty != qty.to_integral_value(),
            "order.price": self.given.get("bar.close"),
            "order.stop_loss": None if planned is None else float(planned),
        }

    @property
    def is_sound(self) -> bool:
        """Whether the record, decided again, comes to what was recorded."""
        no_trade, exits, *_ = self.answers
        return no_trade == self.decision.no_trade and exits == self.decision.exits

    def outcome(self) -> str:
        """What the desk would have done; uncertain where the record does not tell.

        Checks that nobody looked at are taken to let the order pass: see `unchecked`.
        """
        no_trade, exits, *_ = self.answers
        if self.is_held and not exits:
            return NO_TRADE
        if not self.is_held and no_trade:
            return NO_TRADE
        answers = [self.stands(item) for item in self.others()]
        if True in answers:
            return EXIT_WAITS if self.is_held else REFUSED
        if None in answers:
            return UNCERTAIN
        return EXIT if self.is_held else ENTER

    # -- conditions beside the strategy's own --------------------------------------------------

    def others(self) -> Iterator[Stand]:
        """What can hold the order back: data rules and protections for entries, and checks."""
        decision, rules = self.decision, self.book.rules
        exits_were_checked = decision.outcome in {EXIT, EXIT_WAITS}
        if self.is_held:
            mask = decision.checks if exits_were_checked else None
            yield from _stands(rules.exit_checks.conditions, mask)
            return
        yield from _stands(rules.blocks_entries.conditions, decision.data)
        yield from self.protections()
        mask = decision.checks if decision.outcome in {ENTER, REFUSED} else None
        yield from _stands(rules.entry_checks.conditions, mask)

    def protections(self) -> Iterator[Stand]:
        """The protections; one that tripped on an earlier bar holds on until its time is over.

        One that makes entries smaller keeps none back, whatever it says.
        """
        for bit, protection in enumerate(self.book.rules.protections):
            if protection.sizes is not None:
                continue
            is_set = bool(self.decision.protections >> bit & 1)
            is_older = protection.id not in self.tripped
            latched = is_set and protection.lasts != WHILE_TRUE and is_older
            yield Stand(protection.trips_when, is_set, latched)

    def stands(self, item: Stand) -> bool | None:
        """Whether the condition would be true; None where it cannot be told."""
        if item.is_latched:
            return True
        base = self.base or self
        if base.can_ask(item):
            return self._asked(item.rule)
        if item.recorded is None or self._is_false_anyway(item.rule):
            return False  # what nobody looked at is taken to let the order pass: see `unchecked`
        read = {name.name for name in ir.names(item.rule.when)}
        if _SINCE_SAME in read:
            read.add(_QTY)  # an order of another size is no longer the same one
        if any(self.values.get(name) != base.values.get(name) for name in read):
            return None
        return bool(item.recorded)

    def can_ask(self, item: Stand) -> bool:
        """Whether the record holds all that the condition reads, and agrees with its answer."""
        if item.is_latched or not all(n.name in self.values for n in ir.names(item.rule.when)):
            return False
        return item.recorded is None or self._asked(item.rule) == item.recorded

    def reads_true(self, rule: Condition) -> bool:
        """Whether the record holds all that the condition reads, and it is certainly true."""
        if not all(name.name in self.values for name in ir.names(rule.when)):
            return False
        return bool(truth_of(rule.when, possibly=False).asked(self.values))

    def unchecked(self) -> tuple[str, ...]:
        """The checks that nobody looked at and that the record cannot answer."""
        return tuple(
            item.rule.code
            for item in self.others()
            if item.recorded is None
            and not self.can_ask(item)
            and not self._is_false_anyway(item.rule)
        )

    def _is_false_anyway(self, rule: Condition) -> bool:
        """Whether the condition is false whatever the values are that the record does not hold."""
        values = dict(self.values)
        if not self.compiled.rules.pauses_in:
            values[_PAUSES] = False  # it pauses in no market, so the regime need not be known
        missing = {name.name: None for name in ir.names(rule.when) if name.name not in values}
        if not all(FACTS[name].known for name in missing if name in FACTS):
            return False  # always known on the desk: it cannot be asked without a value
        if any(isinstance(part, ir.IsKnown) for part in ir.walk(rule.when)):
            return False  # it asks for what is missing here
        question = truth_of(rule.when, possibly=True)
        return not question.asked({**missing, **values})

    def _asked(self, rule: Condition) -> bool:
        return bool(truth_of(rule.when, possibly=rule.true_if_unknown).asked(self.values))

    def true_codes(self) -> frozenset[str]:
        """The codes of everything that is true here, as far as it can be told."""
        no_trade, exits, *_ = self.answers
        rules = self.compiled.rules
        found = {rule.code for bit, rule in enumerate(rules.no_trade) if no_trade >> bit & 1}
        found |= {rule.code for bit, rule in enumerate(rules.exits) if exits >> bit & 1}
        return frozenset(found | {item.rule.code for item in self.others() if self.stands(item)})

    def declared_as(self, name: str) -> Param | None:
        """The strategy's param of this name."""
        params = self.compiled.rules.params
        return next((param for param in params if param.name == name), None)


def _stands(conditions: Iterable[Condition], mask: int | None) -> Iterator[Stand]:
    for bit, rule in enumerate(conditions):
        yield Stand(rule, None if mask is None else bool(mask >> bit & 1))


def _read_by(compiled: CompiledStrategy) -> tuple[ir.Name, ...]:
    """The names that the strategy's functions take."""
    rules = compiled.rules
    trees: list[ir.Tree] = [rule.when for rule in (*rules.no_trade, *rules.exits)]
    trees += [rules.entry.qty.value, rules.entry.stop_loss]
    found = dict.fromkeys(name for tree in trees for name in ir.names(tree))
    return tuple(name for name in found if name.name != ENTRY_QTY.name)
