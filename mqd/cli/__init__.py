"""Floor 7: the words an operator types, one file a command; heavy imports wait for their word."""

from __future__ import annotations

import io
import sys

from mqd.ground.errors import MqdError, RuleError

EXIT_FINE = 0
EXIT_NO = 1
EXIT_COULD_NOT_RUN = 2


def main() -> None:
    """Run the command line; errors become one clear line on stderr and an exit code."""
    from mqd.cli.commands import application

    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character gets a stand-in, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        application(spread(sys.argv[1:]), prog_name="mqd")
    except RuleError as error:
        for problem in error.problems:
            print(problem.to_text(), file=sys.stderr)  # type: ignore[attr-defined]  # always a Problem
        print(str(error), file=sys.stderr)
        sys.exit(EXIT_NO)
    except MqdError as error:
        print(f"mqd: {error}", file=sys.stderr)
        sys.exit(EXIT_COULD_NOT_RUN)
    except BrokenPipeError:
        # Whoever read our output has had enough of it; that is no failure of ours.
        sys.stderr.close()
        sys.exit(EXIT_FINE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"mqd: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(EXIT_COULD_NOT_RUN)


SEVERAL = frozenset({"--bars", "--set"})
"""Options that take several values in a row: `--bars A B` is `--bars A --bars B`."""


def spread(words: list[str]) -> list[str]:
    """The words with every value of a several-valued option under its own option."""
    found: list[str] = []
    option = ""
    for word in words:
        if word.startswith("-"):
            option = word if word in SEVERAL else ""
        elif option and found[-1] != option:
            found.append(option)
        found.append(word)
    return found
