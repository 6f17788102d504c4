"""Running generated source: the only place where generated text becomes functions.

The text was written by the emitter from our own tree; no author's text is in it.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from math import floor, nan, sqrt
from typing import Any


def run_source(source: str, label: str, constants: Mapping[str, float | int]) -> dict[str, Any]:
    """The names that the source defines; tracebacks show its lines under `label`."""
    filename = f"<{label}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"floor": floor, "sqrt": sqrt, "NAN": nan, **constants}
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102  # our own emitter's text
    return namespace
