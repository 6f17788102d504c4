"""A measure of the past as functions of one row: whether it counts, and what its value is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mqd.rules.book import Limit
from mqd.rules.compile.arguments import constants_of, known_flag, name_text
from mqd.rules.compile.emit import Emitter
from mqd.rules.compile.functions import run_source
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import ROW
from mqd.rules.measured import HistoryMeasure
from mqd.rules.words.streams import ROW_WORDS


@dataclass(frozen=True, slots=True)
class CompiledMeasure:
    """A measure ready to run.

    `keeps(row, symbol)` tells whether a row counts, `value(row, symbol)` what `of` is there, not a
    number where that is unknown; each is None where the measure does not say it. `symbol` are the
    facts of a bar's symbol. `key` tells measures apart, also those of one name in other rules.
    """

    rules: HistoryMeasure
    key: str
    keeps: Any
    value: Any
    assumed_usd: float


def compile_measure(
    measure: HistoryMeasure, limits: Iterable[Limit], owner: str, label: str
) -> CompiledMeasure:
    """The functions of a measure; `label` names them in tracebacks."""
    constants = constants_of(limits)
    keeps = value = None
    assumed_usd = 0.0
    if measure.where is not None:
        emitter = Emitter(name_text)
        answer = emitter.truth(measure.where, possibly=False)
        keeps = _function(measure, measure.where, emitter, answer, constants, label)
    if measure.of is not None:
        value = _number(measure, measure.of, constants, label)
    if measure.assumed is not None:
        assumed_usd = _number(measure, measure.assumed, constants, label)(None, None)
    return CompiledMeasure(measure, _key_of(measure, owner), keeps, value, assumed_usd)


def _key_of(measure: HistoryMeasure, owner: str) -> str:
    """The measure's name with what is kept for it: of other values nothing can be taken over."""
    of = "" if measure.of is None else f" of {ir.to_text(measure.of)}"
    where = "" if measure.where is None else f" where {ir.to_text(measure.where)}"
    return f"{owner}.{measure.name}{of}{where} over {measure.over}"


def _number(
    measure: HistoryMeasure, tree: ir.Numeric, constants: dict[str, Any], label: str
) -> Any:
    emitter = Emitter(name_text)
    text, known = emitter.number(tree)
    answer = f"float({text}) if {' and '.join(known) or 'True'} else NAN"
    return _function(measure, tree, emitter, answer, constants, label)


def _function(
    measure: HistoryMeasure, tree: ir.Tree, emitter: Emitter, answer: str,
    constants: dict[str, Any], label: str,
) -> Any:  # fmt: skip
    codes: dict[str, Any] = {}
    lines = ["def asked(row, symbol):"]
    for name in ir.names(tree):
        if name.kind != ROW:
            continue
        word = ROW_WORDS[measure.stream][name.name]
        text, _ = name_text(name)
        source = word.source
        if name.members:
            codes[f"codes_{name.name}"] = {each: code for code, each in enumerate(name.members)}
            source = f"codes_{name.name}.get({source}, -1)"
        lines.append(f"    {text} = {source}")
        if word.known:
            lines.append(f"    {known_flag(text)} = {word.known.replace(word.source, text)}")
        elif name_text(name)[1]:  # a word of the same name may be unknown in another stream
            lines.append(f"    {known_flag(text)} = True")
    lines += [f"    {line}" for line in [*emitter.lines, f"return {answer}"]]
    source = "\n".join(lines) + "\n"
    return run_source(source, f"{label} {measure.name}", constants | codes)["asked"]
