"""A list of conditions as one generated function that answers with a mask of the true ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mqd.rules.book import Condition, Limit
from mqd.rules.compile.arguments import constants_of, known_flag, measure_text, name_text
from mqd.rules.compile.emit import Emitter, comment
from mqd.rules.compile.functions import run_source
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import FACT, MEASURE
from mqd.rules.words.fact import finite
from mqd.rules.words.facts import FACTS


@dataclass(frozen=True, slots=True)
class CompiledSet:
    """Conditions ready to run.

    `evaluate(bar, symbol, session, desk, strategy, order, subject=None)` returns a mask: its bit n
    is condition n. `subject` is the thing in hand of a watch, a comparison or an invariant, or for
    rules that measure the past the values of their measures by name.
    Objects that no condition reads may be None.
    """

    codes: tuple[str, ...]
    source: str
    evaluate: Any

    def true_codes(self, mask: int) -> tuple[str, ...]:
        """The codes of the bits that are set, in the order of the file."""
        return tuple(code for bit, code in enumerate(self.codes) if mask >> bit & 1)


def compile_set(
    conditions: Sequence[Condition],
    limits: Iterable[Limit],
    label: str,
    bits: Sequence[int] | None = None,
    *,
    certainly: bool = False,
) -> CompiledSet:
    """One function for all the conditions; `label` names it in tracebacks.

    `bits` are their bits where these are not simply counted; `certainly` asks only for what is
    certain, whatever an unknown answer counts as.
    """
    read = dict.fromkeys(name for rule in conditions for name in ir.names(rule.when))
    emitter = Emitter(name_text)
    masked: list[str] = []
    for bit, rule in zip(bits or range(len(conditions)), conditions, strict=True):
        text = emitter.truth(rule.when, possibly=rule.true_if_unknown and not certainly)
        masked += [f"    if {text}:{comment(rule.code)}", f"        mask |= {1 << bit}"]
    lines = [
        "def evaluate(bar, symbol, session, desk, strategy, order, subject=None):",
        *_gathered(read),
        *(f"    {line}" for line in emitter.lines),
        "    mask = 0",
        *masked,
        "    return mask",
    ]
    source = "\n".join(lines) + "\n"
    namespace = run_source(source, label, constants_of(limits))
    return CompiledSet(
        codes=tuple(rule.code for rule in conditions),
        source=source,
        evaluate=namespace["evaluate"],
    )


def compile_price(price: ir.Numeric, limits: Iterable[Limit], label: str) -> Any:
    """One function for a price; it takes what `evaluate` of a set takes.

    What it cannot know is not a number.
    """
    emitter = Emitter(name_text)
    text, known = emitter.number(price)
    lines = [
        "def evaluate(bar, symbol, session, desk, strategy, order, subject=None):",
        *_gathered(dict.fromkeys(ir.names(price))),
        *(f"    {line}" for line in emitter.lines),
        f"    return {text} if {' and '.join(known) or 'True'} else NAN",
    ]
    return run_source("\n".join(lines) + "\n", label, constants_of(limits))["evaluate"]


def _gathered(names: Iterable[ir.Name]) -> list[str]:
    """The statements that read the facts among the names."""
    gathered: list[str] = []
    for name in names:
        if name.kind == FACT:
            fact = FACTS[name.name]
            gathered.append(f"    {fact.argument} = {fact.source}")
            if fact.known:
                known = fact.known.replace(fact.source, fact.argument)
                gathered.append(f"    {known_flag(fact.argument)} = {known}")
        elif name.kind == MEASURE:
            text = measure_text(name.name)
            gathered.append(f"    {text} = subject[{name.name!r}]")
            gathered.append(f"    {known_flag(text)} = {finite(text)}")
    return gathered
