"""Problems: what is wrong with a rule, where, and how to mend it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

ERROR = "error"
WARNING = "warning"


class Place(NamedTuple):
    """A point in a rule file; `line` and `column` count from 1, `file` is as the user named it."""

    file: str
    line: int
    column: int


NOWHERE = Place("", 0, 0)


class Problem(NamedTuple):
    """One thing wrong with the rules; `code` is stable, `message` is one plain sentence."""

    place: Place
    rule: str
    code: str
    message: str
    hint: str = ""
    severity: str = ERROR
    source_line: str = ""

    def to_json(self) -> dict[str, str | int]:
        """The problem as the command line's JSON contract has it."""
        return {
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "rule": self.rule,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
        }

    def to_text(self) -> str:
        """The problem for a terminal: place, code and sentence, the line with a caret, the hint."""
        where = f"{self.place.file}:{self.place.line}:{self.place.column}"
        rule = f" [{self.rule}]" if self.rule else ""
        lines = [f"{where}: {self.severity} {self.code}{rule}: {self.message}"]
        if self.source_line:
            lines.extend(_caret_lines(self.source_line, self.place.column))
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


_WIDTH = 100


def _caret_lines(source_line: str, column: int) -> tuple[str, str]:
    """The source line cut to a window around the column, and a caret under the place."""
    shown = "".join(ch if ch.isprintable() else " " for ch in source_line)
    start = max(0, column - 1 - _WIDTH // 2) if len(shown) > _WIDTH else 0
    shown = shown[start : start + _WIDTH]
    return f"    {shown}", "    " + " " * (column - 1 - start) + "^"


class Problems:
    """Collects problems so that one run shows an author everything that is wrong."""

    def __init__(self) -> None:
        self._found: dict[tuple[Place, str, str], Problem] = {}

    def add(
        self,
        place: Place,
        rule: str,
        code: str,
        message: str,
        hint: str = "",
        severity: str = ERROR,
    ) -> None:
        """Note one problem; the same sentence at the same place is kept once."""
        problem = Problem(place, rule, code, message, hint, severity)
        self._found.setdefault((place, code, message), problem)

    def add_all(self, problems: Iterable[Problem]) -> None:
        """Note what was found elsewhere."""
        for problem in problems:
            self._found.setdefault((problem.place, problem.code, problem.message), problem)

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def has_errors(self) -> bool:
        """True when at least one problem is more than a warning."""
        return any(problem.severity == ERROR for problem in self._found.values())

    def has_at(self, place: Place, prefix: str) -> bool:
        """True when a problem whose code starts with `prefix` was noted at the place."""
        return any(at == place and code.startswith(prefix) for at, code, _ in self._found)

    def sorted(self, sources: dict[str, str] | None = None) -> list[Problem]:
        """All problems by file, line and column, with the offending source line where known."""
        lines = {file: text.splitlines() for file, text in (sources or {}).items()}
        return [
            problem._replace(source_line=_line_at(lines, problem.place))
            for problem in sorted(self._found.values(), key=lambda p: (p.place, p.code, p.message))
        ]


def _line_at(lines: dict[str, list[str]], place: Place) -> str:
    of_file = lines.get(place.file, [])
    return of_file[place.line - 1] if 0 < place.line <= len(of_file) else ""


def did_you_mean(word: str, known: Iterable[str], most: int = 16) -> str:
    """`did you mean ...?` with the nearest known word, or the known words, if not too many."""
    words = sorted(set(known))
    near = get_close_matches(word, words, n=1, cutoff=0.6) or [
        known_word for known_word in words if known_word.lower() == word.lower()
    ]
    if near:
        return f"did you mean `{near[0]}`?"
    if 0 < len(words) <= most:
        return "known here: " + ", ".join(words)
    return ""
