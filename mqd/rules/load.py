"""Strict YAML: the text of one rule file becomes a tree that knows its places, or problems.

A rule file is hostile input. Every cap is checked before the work it bounds, an alias is never
followed, and the tree is built with a stack of our own, so that no input makes this slow or
makes it raise.
"""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from mqd.rules.problems import Place, Problems
from mqd.rules.scalar_places import character_places
from mqd.rules.tree import Mapping, Node, Scalar, Sequence

CODES: Final = {
    "FILE_TOO_BIG": "The file is larger than a rule file may be.",
    "FILE_BAD_CHARACTER": "The file holds a character that is invisible or reorders the text.",
    "YAML_ALIAS": "An alias (`*name`) repeats a value; each rule says its own.",
    "YAML_ANCHOR": "An anchor (`&name`) marks a value for repeating; each rule says its own.",
    "YAML_DIRECTIVE": "A `%` directive changes how the file is read.",
    "YAML_DUPLICATE_KEY": "A mapping holds the same key twice.",
    "YAML_EMPTY": "The file holds no document.",
    "YAML_KEY_NOT_A_WORD": "A key is empty, spans lines, or is a list or a mapping.",
    "YAML_MANY_DOCUMENTS": "The file holds a second document.",
    "YAML_MERGE_KEY": "A merge key (`<<`) copies keys from elsewhere.",
    "YAML_SYNTAX": "The file is not YAML.",
    "YAML_TAB": "A tab indents a line.",
    "YAML_TAG": "A tag (`!name`) asks for a type; the schemas give the types.",
    "YAML_TOO_DEEP": "Mappings and lists are nested deeper than a rule needs.",
    "YAML_TOO_MANY_NODES": "The file holds more keys and values than a rule file may.",
    "YAML_TOO_MANY_PROBLEMS": "Reading stopped because the file holds too many problems.",
    "YAML_TOP_NOT_MAPPING": "The document is a text or a list, not keys with values.",
}

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 20
MAX_NODES: Final = 20_000
MAX_PROBLEMS: Final = 50
_SHOWN: Final = 60

# The C loader gives the same events about ten times as fast; some systems lack it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What no editor shows, or what makes a reviewer see another text than the machine reads:
# controls (and the line breaks only YAML knows), zero-width and bidirectional characters,
# soft hyphens, byte order marks, tag characters, halves of surrogate pairs, noncharacters.
# A carriage return passes only as part of a Windows line end.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
    r"|\r(?!\n)"
)

_INDENTED = "check how the line is indented, and that a quoted text is the whole value"
_LOOK = "look at the quotes, the brackets and the indentation here and on the line above"
_UNCLOSED = "',' or '"
# What PyYAML says (its C and its Python half use other words), in words of our own.
_SYNTAX: Final = (
    ("mapping values are not", "A `:` stands where no key can stand.",
     "a text that holds `: ` needs quotes; else look at the indentation, and for a `:` above"),
    ("escape", "A text in double quotes holds a `\\` that starts no known escape.",
     "write `\\\\`, or use single quotes"),
    (_UNCLOSED, "The list or mapping that starts here is not closed, or lacks a comma.",
     "close it with `]` or `}`, and put a comma between its items"),
    ("expected ':'", "A line before this one has a key without `:`.", "write `: ` after the key"),
    ("'-' indicator", "This line does not go on with the list above it.", _INDENTED),
    ("expected key", "This does not go on with the keys above it.", _INDENTED),
    ("<block end>", "This does not go on with what stands above it.", _INDENTED),
    ("node content", "A value is missing here.", "write it, or delete the sign before it"),
    ("<document start>", "Something stands after the end of the document.",
     "a file holds one document: delete it, or give it a file of its own"),
)  # fmt: skip


def load_text(text: str, file: str, problems: Problems) -> Mapping | None:
    """The tree of one rule file; every scalar in it is text with its exact place.

    `file` names the file in every place. Returns None, with the reasons in `problems`, when
    the text is not one strict YAML mapping. Never raises, whatever the text is.
    """
    reader = _Reader(text, file, problems)
    with suppress(_StopReadingError):
        reader.read()
    return reader.finished()


def excerpt(text: str) -> str:
    """A piece of the author's text that fits into a sentence, on one line."""
    line = "".join(ch if ch.isprintable() else " " for ch in text[:_SHOWN])
    return line if len(text) <= _SHOWN else line + "..."


class _StopReadingError(Exception):
    """A cap was passed: what follows is not worth reading."""


@dataclass(slots=True)
class _Open:
    """A mapping or a list whose end has not come yet."""

    place: Place
    is_mapping: bool
    key: Scalar | None = None
    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    first_lines: dict[str, int] = field(default_factory=dict)


class _Reader:
    """Turns the events of one file into a tree, noting everything that is refused."""

    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self._text = text
        self._start = Place(file, 1, 1)
        self._problems = problems
        self._refusals = 0
        self._nodes = 0
        self._stack: list[_Open] = []
        self._root: Node | None = None

    def refuse(self, place: Place, code: str, message: str, hint: str = "") -> None:
        """Note a problem; after too many of them reading stops."""
        self._refusals += 1
        if self._refusals > MAX_PROBLEMS:
            message = f"More than {MAX_PROBLEMS} problems; the rest was not read."
            hint = "mend those above and check again"
            self._problems.add(place, "", "YAML_TOO_MANY_PROBLEMS", message, hint)
            raise _StopReadingError
        self._problems.add(place, "", code, message, hint)

    def read(self) -> None:
        """Read the whole text, noting what is refused; a cap ends it with _StopReadingError."""
        if not self._is_readable():
            return
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except (yaml.YAMLError, ValueError, OverflowError):
            # The loader written in Python lets a broken escape through as chr()'s own error.
            message = "An escape in a quoted text is broken."
            self.refuse(self._start, "YAML_SYNTAX", message, "write `\\\\`, or use single quotes")

    def finished(self) -> Mapping | None:
        """The tree when nothing was refused; says so when there is no mapping at the top."""
        root, hint = self._root, "it starts with what it is, such as `strategy: my_strategy`"
        if self._refusals:
            return None
        if isinstance(root, Mapping):
            return root
        if root is None or (isinstance(root, Scalar) and not root.text):
            self.refuse(self._start, "YAML_EMPTY", "The file is empty.", hint)
        else:
            self.refuse(
                root.place, "YAML_TOP_NOT_MAPPING", "A rule file holds keys with values.", hint
            )
        return None

    def _is_readable(self) -> bool:
        if len(self._text) > MAX_BYTES or len(self._text.encode(errors="replace")) > MAX_BYTES:
            message = f"The file is larger than {MAX_BYTES // 1024} KiB."
            self.refuse(self._start, "FILE_TOO_BIG", message, "one rule is one file; split it")
            return False
        found = _HIDDEN.search(self._text)
        if found:
            before = self._text[: found.start() + 1].split("\n")
            place = self._start._replace(line=len(before), column=len(before[-1]))
            self._refuse_hidden(place, found.group())
        return found is None

    def _refuse_hidden(self, place: Place, character: str) -> None:
        name = unicodedata.name(character, "control character").lower()
        message = f"The character U+{ord(character):04X} ({name}) hides what it does."
        self.refuse(place, "FILE_BAD_CHARACTER", message, "delete it")

    def _take(self, event: yaml.Event) -> None:
        place = self._place(event.start_mark)
        if isinstance(event, yaml.NodeEvent):
            self._enter(event, place)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            ended = self._stack.pop()
            if ended.is_mapping:
                self._attach(Mapping(tuple(ended.pairs), ended.place))
            else:
                self._attach(Sequence(tuple(ended.items), ended.place))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._start_document(event, place)

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> None:
        words = str(error.problem)
        code, message, hint = "YAML_SYNTAX", f"This is not YAML: {words}.", _LOOK
        mark = error.problem_mark
        character = self._text[mark.index : mark.index + 1] if mark else ""
        if "end of stream" in words and "quoted" in str(error.context):
            message, mark = "The quoted text that starts here is never closed.", error.context_mark
            hint = "end it with the same quote"
        elif "cannot start any token" in words:
            message, hint = f"A value cannot start with `{character}`.", "put it in quotes"
            if character == "\t":
                code, message, hint = "YAML_TAB", "A tab indents this line.", "indent with spaces"
        if "tab character" in words:
            code, message, hint = "YAML_TAB", "A tab indents this line.", "indent with spaces"
        for known, sentence, advice in _SYNTAX:
            if known in words:
                message, hint = sentence, advice
                mark = error.context_mark if known == _UNCLOSED else mark
                break
        self.refuse(self._place(mark) if mark else self._start, code, message, hint)

    def _place(self, mark: Any) -> Place:
        return Place(self._start.file, mark.line + 1, mark.column + 1)

    def _start_document(self, event: yaml.DocumentStartEvent, place: Place) -> None:
        if self._root is not None:
            message = "A second document starts here; a file holds one."
            self.refuse(place, "YAML_MANY_DOCUMENTS", message, "give it a file of its own")
            raise _StopReadingError
        if event.version or event.tags:
            self.refuse(place, "YAML_DIRECTIVE", "A rule file has no `%` directives.", "delete it")

    def _enter(self, event: yaml.NodeEvent, place: Place) -> None:
        """What every node must pass before anything is made of it."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            message = f"The file holds more than {MAX_NODES:,} keys and values."
            self.refuse(place, "YAML_TOO_MANY_NODES", message, "one rule is one file; split it")
            raise _StopReadingError
        name = excerpt(event.anchor or "")
        if isinstance(event, yaml.AliasEvent):
            message = f"The alias `*{name}` is not followed."
            self.refuse(place, "YAML_ALIAS", message, "write it out")
            self._attach(Scalar(f"*{name}", place))
            return
        if event.anchor is not None:
            self.refuse(place, "YAML_ANCHOR", f"The anchor `&{name}` is not kept.", "delete it")
        if getattr(event, "tag", None) is not None:
            hint = "delete it; in an expression write `not` instead"
            self.refuse(place, "YAML_TAG", "A tag (`!`) asks for a type.", hint)
        if isinstance(event, yaml.ScalarEvent):
            self._attach(self._scalar(event, place))
        elif len(self._stack) < MAX_DEPTH:
            self._stack.append(_Open(place, isinstance(event, yaml.MappingStartEvent)))
        else:
            message = f"Keys and lists are nested more than {MAX_DEPTH} deep."
            self.refuse(place, "YAML_TOO_DEEP", message, "look for a bracket that opens too often")
            raise _StopReadingError

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(parent, node)
        else:
            parent.pairs.append((parent.key, node))
            parent.key = None

    def _key(self, parent: _Open, node: Node) -> Scalar:
        if not isinstance(node, Scalar) or not node.text or "\n" in node.text:
            self.refuse(
                node.place,
                "YAML_KEY_NOT_A_WORD",
                "A key is a word on one line.",
                "write one word and `:`; a list or a mapping stands after it",
            )
            return Scalar("", node.place)
        if node.text == "<<":
            message = "The merge key `<<` copies keys from elsewhere."
            self.refuse(node.place, "YAML_MERGE_KEY", message, "write the keys out")
        elif node.text in parent.first_lines:
            message = f"The key `{excerpt(node.text)}` stands here for the second time."
            hint = f"the first is on line {parent.first_lines[node.text]}"
            self.refuse(node.place, "YAML_DUPLICATE_KEY", message, hint)
        parent.first_lines.setdefault(node.text, node.place.line)
        return node

    def _scalar(self, event: Any, place: Place) -> Scalar:
        value, style = event.value, event.style or ""
        if not style and event.start_mark.line == event.end_mark.line:
            return Scalar(value, place)
        raw = self._text[event.start_mark.index : event.end_mark.index]
        places = character_places(raw, value, style, place)
        scalar = Scalar(value, place, quoted=style in {"'", '"'}, places=places)
        found = _HIDDEN.search(value) if style == '"' else None
        if found:
            self._refuse_hidden(scalar.place_at(found.start()), found.group())
        return scalar
