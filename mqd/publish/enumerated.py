"""The values that a key may have, in the words of the published schemas."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from mqd.rules.find import shipped_text


def meanings(kind: str, key: str) -> dict[str, str]:
    """Each value of the key in a document of this kind, and what it means; empty if free."""
    schema = _schema(kind)
    choices = schema["properties"].get(key, {}).get("oneOf", [])
    return {
        item["const"]: item["description"]
        for item in _flat(choices)
        if "const" in item and "description" in item
    }


def _flat(choices: list[Any]) -> list[Any]:
    return [item for choice in choices for item in (choice, *_flat(choice.get("oneOf", [])))]


@cache
def _schema(kind: str) -> Any:
    return json.loads(shipped_text("schemas", f"{kind}.schema.json"))
