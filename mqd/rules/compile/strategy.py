"""One strategy as generated source in three pieces, and the driver that calls them on a bar.

`measures` takes a bar and the accumulators and returns both anew; `fixed` decides every condition
that depends on the market and on nothing a sweep varies; `rest` does exits, sizing and what is
left. A sweep runs the first two once per bar set and the third per parameter combination.
`decide` is the live path: it gathers the facts from the engine's objects and has the lines of the
three in itself, because on every bar their calls would cost as much as what they compute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mqd.rules.book import Condition, Measure, Strategy
from mqd.rules.compile.arguments import (
    arguments_of,
    constants_of,
    known_flag,
    measure_text,
    name_text,
)
from mqd.rules.compile.emit import LARGEST_WHOLE, Emitter, comment
from mqd.rules.compile.functions import run_source
from mqd.rules.compile.measures import FUNCTIONS, Source
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, MEASURE, PARAM
from mqd.rules.words.facts import ENTRY_QTY, FACTS, LARGEST, Fact

_LIFT = 1.0 + 1e-12


@dataclass(frozen=True, slots=True)
class CompiledStrategy:
    """A strategy ready to run.

    `decide(bar, symbol, session, desk, strategy)` returns
    `(no_trade mask, exits mask, lots, stop_loss, stop_loss_known, facts)`; `fact_names` names
    the facts. `measures`, `fixed` and `rest` are the pieces, with their argument names.
    """

    rules: Strategy
    source: str
    fact_names: tuple[str, ...]
    initial: tuple[float, ...]
    constants: dict[str, float | int]
    measures: Any
    fixed: Any
    rest: Any
    decide: Any
    arguments: dict[str, tuple[str, ...]]


def compile_strategy(
    strategy: Strategy, label: str, beside: Iterable[ir.Name] = ()
) -> CompiledStrategy:
    """The strategy's functions; `label` names the generated source in tracebacks.

    `beside` are the names that the conditions beside the strategy's own read: their facts are
    kept in the same record, after its own.
    """
    writer = _Writer(strategy, beside)
    source = writer.source()
    constants = constants_of(strategy.params)
    namespace = run_source(source, f"{label} {strategy.id}", constants)
    return CompiledStrategy(
        rules=strategy,
        source=source,
        fact_names=tuple(name.name for name in writer.recorded),
        initial=(0.0,) * len(writer.slots),
        constants=constants,
        measures=namespace["measures"],
        fixed=namespace["fixed"],
        rest=namespace["rest"],
        decide=namespace["decide"],
        arguments=writer.arguments,
    )


class _Writer:
    """Writes the source of one strategy."""

    def __init__(self, strategy: Strategy, beside: Iterable[ir.Name]) -> None:
        self.strategy = strategy
        self.measured = [(measure, _source_of(measure)) for measure in strategy.measures]
        self.slots = [slot for _, source in self.measured for slot in source.slots]
        everything = [condition.when for condition in (*strategy.no_trade, *strategy.exits)]
        sizing = [strategy.entry.qty.value, strategy.entry.stop_loss]
        self.read = _names_of([*everything, *sizing])
        self.recorded = [
            name for name in dict.fromkeys([*self.read, *filter(_is_kept, beside)])
            if name.kind in {FACT, MEASURE} and name.name != ENTRY_QTY.name
        ]  # fmt: skip
        self.bits = {rule.code: 1 << bit for bit, rule in enumerate(strategy.no_trade)}
        self.once = [rule for rule in strategy.no_trade if _is_fixed(rule, strategy)]
        self.later = [rule for rule in strategy.no_trade if rule not in self.once]
        self.arguments: dict[str, tuple[str, ...]] = {}
        self.bodies: list[list[str]] = []
        self.decided = ""

    def source(self) -> str:
        pieces = (self._measures(), self._fixed(), self._rest(), self._decide())
        return "\n\n".join("\n".join(lines) for lines in pieces) + "\n"

    # -- the three pieces ---------------------------------------------------------------------

    def _measures(self) -> list[str]:
        reads = self._measure_reads()
        arguments = [fact.argument for fact in reads] + ["inputs_known", *self.slots]
        results = list(self.slots)
        body: list[str] = []
        for measure, source in self.measured:
            name = measure_text(measure.name)
            body.append("    if inputs_known:")
            body += [f"        {line}" for line in source.update]
            body += [f"    {line}" for line in source.then]
            body.append(f"    {name} = {source.value}")
            known = f"{source.known} and -{LARGEST!r} < {name} < {LARGEST!r}"
            body.append(f"    {known_flag(name)} = {known}")
            results += [name, known_flag(name)]
        return self._piece("measures", arguments, body, f"({_tuple(results)})")

    def _fixed(self) -> list[str]:
        arguments = arguments_of(_names_of([rule.when for rule in self.once]))
        emitter = Emitter(name_text)
        masked = self._mask_lines(emitter, self.once, self.bits, "mask")
        body = ["    mask = 0", *_indented(emitter.lines), *masked]
        return self._piece("fixed", arguments, body, "mask")

    def _rest(self) -> list[str]:
        entry = self.strategy.entry
        exit_bits = {rule.code: 1 << bit for bit, rule in enumerate(self.strategy.exits)}
        trees = [rule.when for rule in (*self.later, *self.strategy.exits)]
        read = _names_of([*trees, entry.qty.value, entry.stop_loss])
        arguments = arguments_of(name for name in read if name.name != ENTRY_QTY.name)
        emitter = Emitter(name_text)
        self._sizing(emitter)
        stop, stop_known = emitter.number(entry.stop_loss)
        masked = self._mask_lines(emitter, self.later, self.bits, "mask")
        exits = self._mask_lines(emitter, self.strategy.exits, exit_bits, "exits")
        known = " and ".join(stop_known) or "True"
        body = ["    exits = 0", *_indented(emitter.lines), *masked, *exits]
        self.decided = f"mask, exits, lots, {stop}, {known}"
        return self._piece("rest", ["mask", *arguments], body, f"({self.decided})")

    def _sizing(self, emitter: Emitter) -> None:
        """Whole steps that fit: floor(x / step * (1 + 1e-12)); none where x is unknown or negative.

        The factor lifts an exact multiple that float64 left a hair short (28.75 / 0.001) back to
        its step. It is relative because the error is: an added 1e-6 would turn 10 / 10000.01,
        which buys nothing at a step of 0.001, into one step.
        """
        step = float(self.strategy.entry.qty.step)
        text, known = emitter.number(self.strategy.entry.qty.value)
        flag = known_flag(ENTRY_QTY.argument)
        fits = f"0.0 <= {text} < {LARGEST_WHOLE * step!r}"
        certain = " and ".join([*known, fits])
        emitter.lines += [
            f"{flag} = {certain}",
            f"lots = floor({text} / {step!r} * {_LIFT!r}) if {flag} else 0",
            f"{ENTRY_QTY.argument} = lots * {step!r}",
        ]

    def _mask_lines(
        self, emitter: Emitter, rules: Iterable[Condition], bits: dict[str, int], mask: str
    ) -> list[str]:
        lines: list[str] = []
        for rule in rules:
            text = emitter.truth(rule.when, possibly=rule.true_if_unknown)
            lines += [f"    if {text}:{comment(rule.code)}", f"        {mask} |= {bits[rule.code]}"]
        return lines

    # -- the live path ------------------------------------------------------------------------

    def _decide(self) -> list[str]:
        measures, fixed, rest = self.bodies
        lines = ["def decide(bar, symbol, session, desk, strategy):", *_indented(self._gathered())]
        if self.measured:
            slots = _tuple(self.slots)
            lines += [
                f"    {slots} = strategy.accumulators",
                *measures,
                f"    strategy.accumulators = ({slots})",
            ]
        facts = _tuple([_or_none(name) for name in self.recorded])
        return [*lines, *fixed, *rest, f"    return {self.decided}, ({facts})"]

    def _gathered(self) -> list[str]:
        """Statements that read every fact once from the engine's objects."""
        facts = dict.fromkeys(
            [FACTS[name.name] for name in self.recorded if name.kind == FACT]
            + self._measure_reads()
        )
        lines: list[str] = []
        for fact in facts:
            lines.append(f"{fact.argument} = {fact.source}")
            if fact.known:
                known = fact.known.replace(fact.source, fact.argument)
                lines.append(f"{known_flag(fact.argument)} = {known}")
        flags = [known_flag(fact.argument) for fact in self._measure_reads() if fact.known]
        if self.measured:
            lines.append(f"inputs_known = {' and '.join(flags) or 'True'}")
        return lines

    def _measure_reads(self) -> list[Fact]:
        read = [
            name
            for measure, _ in self.measured
            for name in FUNCTIONS[measure.function].facts(measure.of)
        ]
        return [FACTS[name] for name in dict.fromkeys(read)]

    def _piece(
        self, name: str, arguments: Iterable[str], body: list[str], result: str
    ) -> list[str]:
        self.arguments[name] = tuple(arguments)
        self.bodies.append(body)
        return [f"def {name}({', '.join(self.arguments[name])}):", *body, f"    return {result}"]


def _source_of(measure: Measure) -> Source:
    of = FACTS[measure.of].argument if measure.of else ""
    return FUNCTIONS[measure.function].write(measure_text(measure.name), of, measure.bars)


def _is_fixed(rule: Condition, strategy: Strategy) -> bool:
    """Whether the rule reads only the market and what a sweep leaves alone."""
    swept = {param.name for param in strategy.params if param.is_swept}
    for name in ir.names(rule.when):
        if name.kind == PARAM and name.name in swept:
            return False
        if name.kind == FACT and (
            name.name == ENTRY_QTY.name or not FACTS[name.name].follows_market
        ):
            return False
    return True


def _is_kept(name: ir.Name) -> bool:
    """A fact that has a value before there is an order; the order's own follow from the record."""
    return name.kind == FACT and not FACTS[name.name].source.startswith("order.")


def _names_of(trees: Iterable[ir.Tree]) -> list[ir.Name]:
    return list(dict.fromkeys(name for tree in trees for name in ir.names(tree)))


def _or_none(name: ir.Name) -> str:
    text, known = name_text(name)
    return f"{text} if {known[0]} else None" if known else text


def _tuple(parts: list[str]) -> str:
    return ", ".join(parts) + ("," if len(parts) == 1 else "")


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
