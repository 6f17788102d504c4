"""`mqd advise`: what a model says, kept for people; the desk neither reads nor obeys it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mqd.cli.options import JournalOption
from mqd.ground.errors import SettingsError

AdviceFileOption = Annotated[
    Path | None,
    typer.Option("--file", help="The file of the advice. Default: beside the journal."),
]
_LONGEST_LINE = 1 << 16


def advise(
    model: Annotated[str, typer.Option("--model", help="Which model says it, with its version.")],
    prompt: Annotated[Path, typer.Option("--prompt", help="What it was asked; its hash is kept.")],
    subject: Annotated[str, typer.Option("--subject", help="What it is about.")] = "",
    database: JournalOption = None,
    file: AdviceFileOption = None,
) -> None:
    """Keep what a model says, one note a line of stdin, in a file that no desk reads."""
    from mqd.app.advice import advice_file, keep_advice
    from mqd.app.run import latest_journal_url
    from mqd.model.advice import prompt_hash
    from mqd.runtime.clock import SystemClock

    try:
        asked = prompt_hash(prompt.read_bytes())
    except OSError as error:
        raise SettingsError(f"--prompt {prompt}: cannot be read: {error.strerror}") from error
    log = advice_file("" if file else database or latest_journal_url(), file)
    said = iter(lambda: sys.stdin.readline(_LONGEST_LINE), "")
    kept, dropped = keep_advice(log, SystemClock(), said, (model, asked, subject))
    typer.echo(f"{log.path}: {kept:,} kept, {dropped:,} dropped; `mqd report advice` shows them")
