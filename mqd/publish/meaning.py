"""One meaning: what a code is, where it is declared, its formula, its sentence, what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mqd.rules.book import Condition
from mqd.rules.compile.arguments import name_text
from mqd.rules.english import English
from mqd.rules.expressions import ir
from mqd.rules.problems import Place

_LITTLE = {"a", "an", "the", "this", "that", "its"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """One code: what it is, what it means, where it stands; `then` is what to do next."""

    code: str
    kind: str
    means: str
    declared: str = ""
    formula: str = ""
    sentence: str = ""
    then: str = ""

    def to_json(self) -> dict[str, Any]:
        """The meaning for a program; what is not there is null."""
        return {name: value or None for name, value in asdict(self).items()}


def at(place: Place) -> str:
    """A place in a rule file as an editor takes it."""
    return f"{place.file}:{place.line}"


def of_condition(
    rule: Condition, kind: str, english: English, then: str, because: str = "", code: str = ""
) -> Meaning:
    """A condition; `then` is what to do next. A protection has its code and reason elsewhere."""
    means, said = because or rule.because, [english.sentence(rule.when)]
    if says_the_same(said[0], means):
        said = []
    if _may_be_unknown(rule.when):
        counts = "true" if rule.true_if_unknown else "false"
        said.append(f"When that is unknown it counts as {counts}.")
    return Meaning(code or rule.code, kind, means, at(rule.place), rule.text, " ".join(said), then)


def says_the_same(sentence: str, because: str) -> bool:
    """Whether two sentences differ in nothing but little words, so that one of them is enough."""
    one, other = (
        [word for word in text.lower().strip(".").replace("`", "").split() if word not in _LITTLE]
        for text in (sentence, because)
    )
    return one == other


def _may_be_unknown(tree: ir.Tree) -> bool:
    """Whether something that the condition reads can be without a value."""
    match tree:
        case ir.IsKnown():
            return False
        case ir.Name():
            return bool(name_text(tree)[1])
        case ir.Arithmetic(op="/"):
            return True
    return any(_may_be_unknown(part) for part in ir.children(tree))
