"""The shape of a rule document: what its JSON Schema says, told in sentences with places.

The schemas are the published contract and editors read them too, so the same files decide here.
The jsonschema library decides what fits; every violation is then told in our own words, at the
place in the author's file.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from typing import Any, Final

from mqd.rules.find import shipped_text
from mqd.rules.load import excerpt
from mqd.rules.nearly import meant, number_flaw
from mqd.rules.problems import Place, Problems, did_you_mean
from mqd.rules.tree import Mapping, Node, Scalar, Sequence, at, walk

CODES: Final = {
    "SHAPE_BAD_NAME": "A name or code that the author chose is not written as one.",
    "SHAPE_DUPLICATE_ITEM": "A list holds the same item twice.",
    "SHAPE_EMPTY": "A value, a list or a mapping holds nothing.",
    "SHAPE_MISSING_KEY": "A key that must be there is missing.",
    "SHAPE_NOT_A_BOOLEAN": "The value must be true or false.",
    "SHAPE_NOT_A_DATE": "The date is not in the calendar.",
    "SHAPE_NOT_A_NUMBER": "The value must be a number in plain digits.",
    "SHAPE_NOT_WHOLE": "The value counts something and must be whole.",
    "SHAPE_OUT_OF_RANGE": "The number is outside what can ever be meant.",
    "SHAPE_TOO_LONG": "The text is longer than anybody reads.",
    "SHAPE_TOO_MANY": "A list or a mapping holds more than it may.",
    "SHAPE_TOO_MANY_PROBLEMS": "Checking stopped because the document holds too many problems.",
    "SHAPE_UNKNOWN_KEY": "A key is not known at its place.",
    "SHAPE_UNKNOWN_KIND": "The document does not say what kind of rule it is.",
    "SHAPE_UNKNOWN_VALUE": "The value is not one of those that are allowed.",
    "SHAPE_WRONG_FORM": "The text is not written in the form that is wanted.",
    "SHAPE_WRONG_TYPE": "A single value, a list and keys were mixed up.",
}

_MOST_CHOICES: Final = 16  # so many a hint counts up, such as all the units
_DAY: Final = "write year-month-day, such as 2026-11-22"
_COLLECTIONS: Final = {"object": "keys with values", "array": "a list such as [one, two]"}
KINDS: Final = (
    "strategy", "limits", "protection", "checks", "data", "machine", "thesis",
    "watch", "reconciliation", "invariants", "broker", "portfolio", "regimes", "attribution",
    "series",
)  # fmt: skip
_FEWER: Final = "delete what nothing needs, or split it"
MAX_PROBLEMS: Final = 50
MAX_ENTRIES: Final = 200

_HEADER: Final = {"title", "owner", "since", "because", "format", "assumes", "related"}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})")


def check_shape(document: Mapping, problems: Problems) -> dict[str, Any] | None:
    """The document as plain typed values in the author's order, or None with the reasons told.

    Where the schema allows a number, an integer or a boolean and the unquoted text is one, the
    value is a Decimal, an int or a bool; every other scalar stays the author's text.
    """
    kind = _kind_of(document, problems)
    if kind is None or _is_too_wide(document, problems):
        return None
    typed: dict[str, Any] = _typed(document, [_schema(kind)], kind)
    report = _Report(document, kind, problems)
    for error in _validator(kind).iter_errors(typed):
        if report.told > MAX_PROBLEMS:
            break
        report.tell(error)
    return None if report.told else typed


def schema_for(kind: str) -> dict[str, Any]:
    """A copy of the JSON Schema of one document kind.

    Raises:
        KeyError: there is no such kind.
        SettingsError: the shipped schemas are missing.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    return copy.deepcopy(_schema(kind))


@cache
def _schema(kind: str) -> dict[str, Any]:
    return dict(json.loads(shipped_text("schemas", f"{kind}.schema.json")))


@cache
def _validator(kind: str) -> Any:
    """The library's validator of one kind; its `$` is the end of the text, as in an editor."""
    # Imported here because it takes longer than everything else that a start needs.
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

    def check_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
        ends_late = pattern.endswith("$") and str(value).endswith("\n")
        if isinstance(value, str) and (ends_late or not re.search(pattern, value)):
            yield ValidationError(f"not of the form {pattern}")

    formats = FormatChecker(formats=())
    formats.checks("date", raises=ValueError)(lambda text: bool(date.fromisoformat(str(text))))
    extend: Any = validators.extend
    strict = extend(Draft202012Validator, {"pattern": check_pattern})
    return strict(_schema(kind), format_checker=formats)


def _kind_of(document: Mapping, problems: Problems) -> str | None:
    """The kind, which is the first key that is not one of the header every kind shares."""
    keys = [key for key, _ in document.pairs]
    first = next((key for key in keys if key.text not in _HEADER), keys[0] if keys else None)
    if first and first.text in KINDS:
        return first.text
    place = first.place if first else document.place
    said = f"`{excerpt(first.text)}` is not a kind of rule." if first else "The document is empty."
    hint = did_you_mean(first.text if first else "", KINDS, len(KINDS))
    problems.add(place, "", "SHAPE_UNKNOWN_KIND", said, hint)
    return None


def _is_too_wide(document: Mapping, problems: Problems) -> bool:
    """True for a list or a mapping so long that comparing all of it with itself takes long."""
    for node in walk(document):
        entries = node.pairs if isinstance(node, Mapping) else getattr(node, "items", ())
        if len(entries) > MAX_ENTRIES:
            message = f"More than {MAX_ENTRIES} entries stand here side by side."
            problems.add(node.place, "", "SHAPE_TOO_MANY", message, _FEWER)
            return True
    return False


def _resolved(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    """The schema itself, or what its `$ref` names."""
    while "$ref" in schema:
        schema = _schema(kind)["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _branches(schemas: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The schemas and every alternative under them."""
    found = []
    for schema in schemas:
        resolved = _resolved(schema, kind)
        found.append(resolved)
        found.extend(_branches(resolved.get("anyOf", []) + resolved.get("oneOf", []), kind))
    return found


def _typed(node: Node, schemas: list[dict[str, Any]], kind: str) -> Any:
    """The plain value of a node, typed as far as the schemas of its place allow."""
    branches = _branches(schemas, kind)
    if isinstance(node, Mapping):
        return {
            key.text: _typed(value, _of_key(key.text, branches), kind) for key, value in node.pairs
        }
    if isinstance(node, Sequence):
        items = [branch["items"] for branch in branches if "items" in branch]
        return [_typed(item, items, kind) for item in node.items]
    types = {branch.get("type") for branch in branches}
    if not node.quoted and not node.places:
        if "number" in types and _NUMBER.fullmatch(node.text):
            return Decimal(node.text)
        if "integer" in types and _INTEGER.fullmatch(node.text):
            return int(node.text)
        if "boolean" in types and node.text in {"true", "false"}:
            return node.text == "true"
    return node.text


def _of_key(key: str, branches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    named = [found for branch in branches if (found := branch.get("properties", {}).get(key))]
    patterns = (branch.get("patternProperties", {}) for branch in branches)
    matched = (found for each in patterns for form, found in each.items() if re.search(form, key))
    return [*named, *matched]


Path = tuple[str | int, ...]
# jsonschema's ValidationError; its stubs call every field of it possibly unset.
_Error = Any


class _Report:
    """Tells the violations of one document, each once, in sentences with places."""

    def __init__(self, document: Mapping, kind: str, problems: Problems) -> None:
        self.told = 0
        self._document = document
        self._kind = kind
        self._problems = problems
        self._paths: set[Path] = set()

    def tell(self, error: _Error) -> None:
        """Tell one violation, unless its value was told to be wrong before."""
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            self._unknown_keys(error, path)
        elif error.validator in {"required", "dependentRequired"}:
            self._missing_keys(error, path)
        elif error.validator in {"anyOf", "oneOf"}:
            self._alternatives(error, path)
        elif "propertyNames" not in error.absolute_schema_path:  # told with the unknown keys
            self._value(error, path)

    def _add(self, place: Place, path: Path, code: str, message: str, hint: str = "") -> None:
        if self.told > MAX_PROBLEMS:
            return
        self.told += 1
        if self.told > MAX_PROBLEMS:
            message = f"More than {MAX_PROBLEMS} problems; the rest was not checked."
            code, hint = "SHAPE_TOO_MANY_PROBLEMS", "mend those above and check again"
        self._problems.add(place, self._rule(path), code, message, hint)

    def _rule(self, path: Path) -> str:
        """The id of the document, and of the entry of it that the path leads into."""
        node = self._document.get(self._kind)
        name = excerpt(node.text) if isinstance(node, Scalar) else ""
        if len(path) < 2:
            return name
        entry = path[1]
        if isinstance(entry, int):
            named = at(self._document, path[0], entry, "id")
            return f"{name}.{path[0]}.{excerpt(named.text)}" if isinstance(named, Scalar) else name
        section = _schema(self._kind)["properties"].get(path[0], {})
        return f"{name}.{path[0]}.{excerpt(entry)}" if section.get("x-ordered") else name

    def _owner_place(self, path: Path) -> Place:
        """The key that a mapping stands under; for the document, the key that says its kind."""
        *above, last = path or (self._kind,)
        parent = at(self._document, *above)
        if isinstance(parent, Mapping) and isinstance(last, str):
            return parent.key_place(last)
        node = at(self._document, *path)
        return node.place if node else self._document.place

    def _label(self, path: Path) -> str:
        if not path:
            return f"this {self._kind} document"
        if isinstance(path[-1], int):
            named = at(self._document, *path, "id")
            if isinstance(named, Scalar) and named.text:
                return f"`{excerpt(named.text)}`"
            return f"item {path[-1] + 1} of {self._label(path[:-1])}"
        return f"`{excerpt(path[-1])}`"

    def _unknown_keys(self, error: _Error, path: Path) -> None:
        node = at(self._document, *path)
        known, patterns = error.schema.get("properties", {}), error.schema.get("patternProperties")
        for key, _ in node.pairs if isinstance(node, Mapping) else ():
            if key.text in known:
                continue
            if not patterns:
                message = f"`{excerpt(key.text)}` is not a key of {self._label(path)}."
                # What is missing here is likelier meant than what stands here already.
                hint = did_you_mean(key.text, known.keys() - error.instance.keys())
                if not hint.startswith("did you mean"):
                    hint = did_you_mean(key.text, known)
                self._paths.update((*path, name) for name in known if f"mean `{name}`" in hint)
                self._add(key.place, path, "SHAPE_UNKNOWN_KEY", message, hint)
            elif not any(re.search(pattern, key.text) for pattern in patterns):
                names = _resolved(error.schema["propertyNames"], self._kind)
                message = f"`{excerpt(key.text)}` in {self._label(path)} must be {_wanted(names)}."
                near = key.text.strip().upper().replace("-", "_").replace(" ", "_")
                if names["title"] != "code" or not re.search(names["pattern"], near):
                    near = near.lower()
                is_near = re.search(names["pattern"], near)
                hint = f"did you mean `{near}`?" if is_near else names["description"]
                self._add(key.place, path, "SHAPE_BAD_NAME", message, hint)

    def _missing_keys(self, error: _Error, path: Path) -> None:
        known = error.schema.get("properties", {})
        needed = error.validator_value
        if error.validator == "dependentRequired":
            needed = [name for key in needed if key in error.instance for name in needed[key]]
        for key in needed:
            # A key that is only misspelt was told as such: the schemas look at names first.
            if key not in error.instance and (*path, key) not in self._paths:
                self._paths.add((*path, key))
                message = f"The key `{key}` is missing in {self._label(path)}."
                about = str(known.get(key, {}).get("description", ""))
                hint = f"add `{key}:`. {about}" if about else f"add `{key}:`"
                self._add(self._owner_place(path), path, "SHAPE_MISSING_KEY", message, hint)

    def _alternatives(self, error: _Error, path: Path) -> None:
        """Tell the violation of the branch that was meant, or all that could have been."""
        is_scalar = isinstance(at(self._document, *path), Scalar)
        branches = {inner.relative_schema_path[0] for inner in error.context}
        # A branch for a list was not meant by a single value, nor the other way round.
        meant = branches - {
            inner.relative_schema_path[0]
            for inner in error.context
            if inner.validator == "type" and tuple(inner.absolute_path) == path
            if not is_scalar or inner.validator_value in _COLLECTIONS
        }
        if len(meant) != 1 or len(branches) == 1:
            self._value(error, path)
            return
        for inner in error.context:
            if inner.relative_schema_path[0] in meant:
                self.tell(inner)

    def _value(self, error: _Error, path: Path) -> None:
        if path in self._paths:
            return
        self._paths.add(path)
        node = at(self._document, *path)
        code, message, hint = _violation(error, node, self._label(path), self._kind)
        place = node.place if node else self._document.place
        if code == "SHAPE_DUPLICATE_ITEM" and isinstance(node, Sequence):
            place = _second(node).place
        elif code in {"SHAPE_EMPTY", "SHAPE_TOO_MANY"}:
            place = self._owner_place(path)
        # A label may start the sentence: `this strategy document` does, a quoted key does not.
        self._add(place, path, code, message[:1].upper() + message[1:], hint)


def _violation(error: _Error, node: Node | None, label: str, kind: str) -> tuple[str, str, str]:
    """The code, the sentence and the hint for one value that does not fit."""
    keyword, limit = error.validator, str(error.validator_value)
    about = str(error.schema.get("description", ""))
    if keyword in {"minItems", "minProperties"} or (isinstance(node, Scalar) and not node.text):
        return "SHAPE_EMPTY", f"{label} is empty.", about
    if keyword in {"maxItems", "maxProperties"}:
        return "SHAPE_TOO_MANY", f"{label} holds more than {limit} entries.", _FEWER
    if keyword == "uniqueItems":
        return "SHAPE_DUPLICATE_ITEM", f"An item of {label} stands there twice.", "delete one"
    if not isinstance(node, Scalar) or limit in _COLLECTIONS:
        wanted = _COLLECTIONS.get(limit) or _wanted(error.schema, kind)
        found = "a single value" if isinstance(node, Scalar) else "keys or a list"
        return "SHAPE_WRONG_TYPE", f"{label} must be {wanted}, not {found}.", about
    shown = f"`{excerpt(node.text)}`"
    if keyword == "multipleOf":
        message = f"{label} must be a whole number, not {shown}."
        return "SHAPE_NOT_WHOLE", message, _nearest_whole(node)
    if keyword == "exclusiveMinimum":
        return "SHAPE_OUT_OF_RANGE", f"{label} must be above {limit}, not {shown}.", about
    if keyword == "maximum":
        return "SHAPE_OUT_OF_RANGE", f"{label} must be at most {limit}, not {shown}.", about
    if keyword == "maxLength":
        return "SHAPE_TOO_LONG", f"{label} is over {limit} characters long.", "say it shorter"
    if keyword == "format":
        return "SHAPE_NOT_A_DATE", f"{shown} is not a day of the calendar.", _DAY
    return _not_among(error, node, label, kind)


def _nearest_whole(node: Scalar) -> str:
    """The whole numbers around a number that is none."""
    below = int(Decimal(node.text).to_integral_value(ROUND_FLOOR))
    return f"write {below} or {below + 1}"


def _not_among(error: _Error, node: Scalar, label: str, kind: str) -> tuple[str, str, str]:
    """A scalar that is not of the type, the form or the choice that is wanted."""
    branches = _branches([error.schema], kind)
    choices = [str(branch["const"]) for branch in branches if "const" in branch]
    types = {branch.get("type") for branch in branches}
    wanted, shown = _wanted(error.schema, kind), f"`{excerpt(node.text)}`"
    if "boolean" in types:
        near = {"yes": "true", "on": "true", "no": "false", "off": "false"}
        hint = did_you_mean(near.get(node.text.lower(), node.text.lower()), ("true", "false"))
        return "SHAPE_NOT_A_BOOLEAN", f"{label} must be true or false, not {shown}.", hint
    flaw = _number_flaw(node) if types & {"number", "integer"} else ""
    if "number" in types and (flaw or types <= {None, "number"}):
        return "SHAPE_NOT_A_NUMBER", f"{label} must be {wanted}, not {shown}.", flaw
    hint = flaw or meant(node.text, wanted) or did_you_mean(node.text, choices, _MOST_CHOICES)
    hint = hint or str(error.schema.get("description", "")) or f"write {wanted}"
    has_form = any("pattern" in branch for branch in branches)
    if choices and not has_form and types <= {None, "integer", "string"}:
        return "SHAPE_UNKNOWN_VALUE", f"{label} cannot be {shown}.", hint
    return "SHAPE_WRONG_FORM", f"{label} must be {wanted}, not {shown}.", hint


def _number_flaw(node: Scalar) -> str:
    """What keeps a text that looks like a number from being one; empty when it does not."""
    if (node.quoted or node.places) and _NUMBER.fullmatch(node.text.strip()):
        return "write it on one line, without quotes"
    return number_flaw(node.text)


def _wanted(schema: dict[str, Any], kind: str = "") -> str:
    """What a schema asks for, as the end of a sentence: a duration such as 30s or ..."""
    wanted = [_wanted(_resolved(branch, kind), kind) for branch in schema.get("anyOf", [])]
    wanted += [f"`{branch['const']}`" for branch in schema.get("oneOf", [])]
    if wanted:
        return " or ".join(wanted)
    title, examples = str(schema.get("title", "value")), schema.get("examples")
    example = f" such as {examples[0]}" if examples else ""
    return f"{'an' if title[0] in 'aeio' else 'a'} {title}{example}"


def _second(node: Sequence) -> Node:
    """The first item of a list that repeats an earlier one."""
    texts = [item.text if isinstance(item, Scalar) else "" for item in node.items]
    return next((item for n, item in enumerate(node.items) if texts[n] in texts[:n]), node)
