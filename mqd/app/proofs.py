"""The record of what was proved: figures of long runs, kept with the pages that show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mqd.ground.errors import SettingsError

FILE = Path("docs/evidence/proofs.json")


def record_proof(name: str, figures: dict[str, Any], file: Path = FILE) -> None:
    """Put the figures of one kind of proof into the record, in the place of older ones.

    Raises:
        SettingsError: the record cannot be read or written.
    """
    try:
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**known, name: figures}, indent=1, sort_keys=True) + "\n"
        file.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        raise SettingsError(f"the record of proofs {file} cannot be kept: {error}") from error
