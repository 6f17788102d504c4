"""`mqd evidence`: record what a thesis' strategy gave on named market data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mqd.cli.options import (
    BarsOption,
    ChangesOption,
    FillAt,
    FillOption,
    FormatOption,
    RulesOption,
    SlippageOption,
    TableFormat,
    parse_changes,
    simulation_of,
)
from mqd.cli.progress import bar_progress

if TYPE_CHECKING:
    from mqd.publish.evidence import EvidenceRecord


def evidence(
    thesis: Annotated[str, typer.Argument(help="The thesis, as in TH-001.")],
    bars: BarsOption,
    name: Annotated[str, typer.Option("--name", help="What to call these data on the page.")],
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="Which, where several trade on the thesis.")
    ] = None,
    changes: ChangesOption = None,
    fill: FillOption = FillAt.close,
    slippage_bps: SlippageOption = "0",
    out: Annotated[Path, typer.Option("--out", help="The folder of the records.")] = Path(
        "docs/evidence"
    ),
    rules: RulesOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Back-test the strategy of a thesis and record the result; one with --set is only shown."""
    from mqd.app.evidence import EvidencePlan, record_evidence, write_evidence
    from mqd.app.settings import rules_folder

    plan = EvidencePlan(
        rules=rules_folder(rules),
        thesis=thesis,
        bars=tuple(bars),
        data_set=name,
        strategy=strategy,
        values=parse_changes(changes),
        simulation=simulation_of(fill, slippage_bps),
    )
    with bar_progress() as watchers:
        record = record_evidence(plan, watchers)
    path = write_evidence(record, out)
    if form is TableFormat.json:
        typer.echo(json.dumps({"file": str(path), "record": record.to_json()}, indent=1))
    else:
        _show(record, path)


def _show(record: EvidenceRecord, path: Path) -> None:
    from mqd.publish.figures import share_text, signed_usd
    from mqd.publish.registry import loss_text

    spans = "; ".join(f"{first} to {last}" for first, last in record.spans)
    typer.echo(f"{record.thesis} on {record.data_set}: {record.strategy}, {record.symbol}")
    typer.echo(f"{record.sessions} sessions ({spans}), {record.bars:,} bars")
    typer.echo(
        f"{record.trades} trades, {record.wins} won ({share_text(record.wins, record.trades)}), "
        f"P&L {signed_usd(record.pnl_usd)} USD"
    )
    typer.echo(
        f"{record.stopped} stopped, {record.stopped_over_plan} of them over the planned risk: "
        f"mean loss {loss_text(record.mean_loss_usd, record.mean_of_plan)} USD, "
        f"worst {loss_text(record.worst_loss_usd, record.worst_of_plan)} USD"
    )
    typer.echo(f"written to {path}; `mqd docs` puts it into the thesis registry")
