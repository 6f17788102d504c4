"""Problems in the forms of other programs: annotations on a pull request, and SARIF.

SARIF 2.1.0 is the form in which code scanners and editors exchange what they found; the text of
its rules comes from the codes and their examples, as on the page of problem codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from mqd import __version__
from mqd.publish.problem_codes import PAGE, shipped_examples
from mqd.rules.codes import all_codes
from mqd.rules.problems import Problem

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
# What would end a message or a property of a workflow command on GitHub.
_ESCAPED: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_ESCAPED_IN_PROPERTY: Final = _ESCAPED | {":": "%3A", ",": "%2C"}


def github_annotations(problems: Iterable[Problem]) -> list[str]:
    """One workflow command a problem; GitHub shows each at its line of the pull request."""
    return [_annotation(problem) for problem in problems]


def _annotation(problem: Problem) -> str:
    properties = {
        "file": problem.place.file,
        "line": problem.place.line,
        "col": problem.place.column,
        "title": problem.code,
    }
    shown = ",".join(
        f"{name}={_escaped(str(value), _ESCAPED_IN_PROPERTY)}" for name, value in properties.items()
    )
    return f"::{problem.severity} {shown}::{_escaped(_sentence(problem), _ESCAPED)}"


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def sarif(problems: Iterable[Problem]) -> dict[str, Any]:
    """The problems as a SARIF 2.1.0 log of one run."""
    codes = list(all_codes())
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "mqd validate-rules",
                        "semanticVersion": __version__,
                        "rules": [_rule(code, means) for code, means in all_codes().items()],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(problem, codes) for problem in problems],
            }
        ],
    }


def _rule(code: str, means: str) -> dict[str, Any]:
    """A code with its meaning and a right example; the link leads into the docs folder."""
    example = shipped_examples().get(code)
    right = f"Right:\n\n```yaml\n{example.right}```\n\n" if example else ""
    link = f"docs/{PAGE}#{code.lower()}"
    return {
        "id": code,
        "shortDescription": {"text": means},
        "help": {
            "text": f"{means} See {link}.",
            "markdown": f"{means}\n\n{right}See [{code}]({link}).",
        },
    }


def _result(problem: Problem, codes: list[str]) -> dict[str, Any]:
    return {
        "ruleId": problem.code,
        "ruleIndex": codes.index(problem.code),
        "level": problem.severity,
        "message": {"text": _sentence(problem)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(problem.place.file)},
                    "region": {
                        "startLine": problem.place.line,
                        "startColumn": problem.place.column,
                    },
                }
            }
        ],
    }


def _uri(file: str) -> str:
    """The file as a URI: relative where the user named it so."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _sentence(problem: Problem) -> str:
    """The message with the rule it is about and the hint, as plain text."""
    rule = f"[{problem.rule}] " if problem.rule else ""
    hint = f"\nhint: {problem.hint}" if problem.hint else ""
    return f"{rule}{problem.message}{hint}"
