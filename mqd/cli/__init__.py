"""Floor 7: the words an operator types, one file a command; heavy imports wait for their word."""

from __future__ import annotations

import io
import sys
from typing import NoReturn

from mqd.ground.errors import MqdError, ReconciliationError, RuleError, SettingsError

EXIT_FINE = 0
EXIT_NO = 1
EXIT_COULD_NOT_RUN = 2


def main() -> None:
    """Run the command line; errors become one clear line on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a character gets a stand-in, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(_run(sys.argv[1:]))
    except RuleError as error:
        from mqd.cli.problems import problems_text

        print(problems_text(error.problems, error.folder), file=sys.stderr)
        sys.exit(EXIT_NO)
    except MqdError as error:
        _refuse(
            str(error), EXIT_NO if isinstance(error, ReconciliationError) else EXIT_COULD_NOT_RUN
        )
    except BrokenPipeError:
        # Whoever read our output has had enough of it; that is no failure of ours.
        sys.stderr.close()
        sys.exit(EXIT_FINE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{error.strerror or error}")


def _run(words: list[str]) -> int:
    """The exit code of the command that was typed.

    Raises:
        MqdError: it could not run.
        OSError: a file that it needs or writes failed it.
    """
    from mqd.cli.commands import application
    from mqd.cli.usage import UsageError, help_wanted, refuse_missing_values, usage_line

    refuse_missing_values(application, words)
    try:
        code = application(spread(words), prog_name="mqd", standalone_mode=False)
    except UsageError as error:
        wanted = help_wanted(error)
        if wanted is None:
            raise SettingsError(usage_line(error, application, words)) from error
        print(wanted, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    return code if isinstance(code, int) else EXIT_FINE


def _refuse(text: str, code: int = EXIT_COULD_NOT_RUN) -> NoReturn:
    """One line, whatever somebody typed or a file is called."""
    line = "".join(sign if sign.isprintable() else " " for sign in text)
    print(f"mqd: {line}", file=sys.stderr)
    sys.exit(code)


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
