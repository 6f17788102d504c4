"""What every word of a closed list means: the values that the schemas list, profiles and units.

The lists are read from the schemas that check rule files, so that no word is known here and not
there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from mqd.ground import units
from mqd.publish.declared import schema_line, source_line
from mqd.publish.meaning import Meaning
from mqd.publish.wording import DISPOSITIONS
from mqd.rules.find import shipped_text
from mqd.rules.shape import KINDS
from mqd.rules.words import fact

_UNITS = {
    "time_of_day": "A time on the exchange's clock, of one day.",
    "bool": "Yes or no.",
    "text": "One word of a list.",
}


class _Listed(NamedTuple):
    """A value that a schema lists under a key."""

    value: str
    key: str
    means: str


def listed_meanings() -> Iterator[Meaning]:
    """Every value of every closed list, each once for the key that it stands under."""
    found: dict[_Listed, tuple[str, list[str]]] = {}
    for kind in KINDS:
        for item, place in _in_schema(kind):
            kinds = found.setdefault(item, (place, []))[1]
            kinds += [] if kind in kinds else [kind]
    for item, (place, kinds) in found.items():
        where = "rule" if len(kinds) == len(KINDS) else " and ".join(kinds)
        others = [
            other.value for other, (_, told) in found.items()
            if other.key == item.key and other.value != item.value and set(told) & set(kinds)
        ]  # fmt: skip
        yield Meaning(
            item.value, f"value of `{item.key}` in {where} documents", item.means, place,
            then=f"beside it there is {', '.join(dict.fromkeys(others)) or 'no other value'}",
        )  # fmt: skip
    yield from _kinds()
    apply = DISPOSITIONS["apply"]
    yield Meaning(
        "apply", "what a transition does, where it says nothing else", apply,
        source_line("mqd.publish.wording", "apply"), then="`mqd journal tail` shows them",
    )  # fmt: skip
    for profile, means in fact.PROFILE_MEANINGS.items():
        then = "it stands in config/, and rules read it as desk.profile"
        yield Meaning(profile, "profile", means, source_line(fact, profile), then=then)
    known = {item.value for item in found if item.key == "unit"}
    for name in units.UNITS.keys() - known:
        declared = source_line(units, name)
        yield Meaning(name, "unit", _UNITS[name], declared, then="docs/glossary.md has all units")


def _kinds() -> Iterator[Meaning]:
    """What a rule document of each kind is for; its first key says of which kind it is."""
    for kind in KINDS:
        schema = json.loads(shipped_text("schemas", f"{kind}.schema.json"))
        place = schema_line(kind, kind)
        then = "docs/EXECUTION_INVARIANTS.md shows those of this desk"
        yield Meaning(kind, "kind of rule document", schema["description"], place, then=then)


def _in_schema(kind: str) -> Iterator[tuple[_Listed, str]]:
    """The values that a schema lists with a sentence, and where each stands in its file."""
    text = shipped_text("schemas", f"{kind}.schema.json")
    lines = [line.strip() for line in text.splitlines()]
    seen: dict[str, int] = {}
    for item in _walk(json.loads(text), ""):
        start = f'"const": "{item.value}"'
        number = next(
            number for number, line in enumerate(lines, 1)
            if line.startswith(start) and number > seen.get(item.value, 0)
        )  # fmt: skip
        seen[item.value] = number
        yield item, f"schemas/{kind}.schema.json:{number}"


def _walk(node: Any, key: str) -> Iterator[_Listed]:
    """Every listed value under a node of a schema, in the order of its file."""
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, key)
    elif isinstance(node, dict):
        if isinstance(node.get("const"), str) and "description" in node:
            yield _Listed(node["const"], key, node["description"])
        for name, inner in node.items():
            is_keys = name in {"properties", "$defs"}
            for under, schema in inner.items() if is_keys else ():
                yield from _walk(schema, under)
            if not is_keys:
                yield from _walk(inner, key)
