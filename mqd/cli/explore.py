"""`mqd explore`: every interleaving of what a broker may do to an entry, its stop and its exit."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mqd.cli.options import FormatOption, RecordOption, RulesOption, TableFormat

_NAMES = {1: "exploration", 2: "exploration_of_two", 3: "exploration_of_a_stop"}


def explore(
    orders: Annotated[
        int,
        typer.Option(
            "--orders",
            min=1,
            max=3,
            help="1: an entry. 2: and its exit. 3: a held position, its stop and its exit.",
        ),
    ] = 1,
    depth: Annotated[int, typer.Option("--depth", min=1, help="How many things happen.")] = 6,
    rules: RulesOption = None,
    form: FormatOption = TableFormat.text,
    record: RecordOption = False,
) -> None:
    """Walk every interleaving of broker events to a depth; exit 1 if an invariant ever breaks."""
    from mqd.app.exploration.walk import Walk
    from mqd.app.proofs import record_proof
    from mqd.app.settings import rules_folder
    from mqd.engine.core import Engine
    from mqd.rules.compile.book import compile_book
    from mqd.rules.validate import load_rules

    book = load_rules(rules_folder(rules))
    found = Walk(Engine.of(compile_book(book)), orders, depth).run()
    figures = {
        **asdict(found),
        "seconds": round(found.seconds, 1),
        "violations": [list(path) for path in found.violations],
        "rules_digest": book.digest,
    }
    if form is TableFormat.json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        for path in found.violations:
            typer.echo(" -> ".join(path))
        typer.echo(
            f"{orders} order{'s' if orders > 1 else ''} to depth {depth}: {found.states:,} states, "
            f"{found.edges:,} edges, {found.settled:,} let settle, {found.seconds:.1f} s; "
            + ("all held" if not found.violations else f"{len(found.violations)} did not hold")
        )
    if record:
        record_proof(_NAMES[orders], {**figures, "violations": len(found.violations)})
    if found.violations:
        raise typer.Exit(1)
