"""The one byte form of a value: what is hashed, journaled and compared.

JSON without spaces, keys sorted, UTF-8. A `Decimal` is written as text (never as a binary
float), a tuple as an array, a float by its shortest round-trip digits. A float that is not
finite has no byte form of its own: it is written as null, because it is unknown, not a value.
"""

from __future__ import annotations

import json
import json.encoder
import math
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from typing import Any

GENESIS_HASH = "0" * 64


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    raise TypeError(f"no canonical form for {type(value).__name__}")


_ENCODER = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True, default=_plain
)


def _prepared() -> Callable[[Any], str]:
    """`_ENCODER.encode`, without building the C encoder anew for every value (1.8 µs a bar)."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # no C accelerator in this Python
        return _ENCODER.encode
    chunks = make(
        None, _plain, json.encoder.encode_basestring, None, ":", ",", True, False, False
    )  # fmt: skip
    return lambda value: "".join(chunks(value, 0))


_encoded = _prepared()


def decimal_text(value: Decimal) -> str:
    """Plain digits without exponent or trailing zeros: 0.8520 -> '0.852', 1E+2 -> '100'."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def encode(value: object) -> str:
    """Canonical JSON text of `value`; non-finite floats become null.

    Raises:
        TypeError: the value holds something without a canonical form.
    """
    try:
        return _encoded(value)
    except ValueError:
        return _encoded(_without_non_finite(value))


def decode(text: str) -> Any:
    """The plain value of canonical JSON text."""
    return json.loads(text)


def digest(text: str) -> str:
    """SHA-256 of the UTF-8 bytes of `text`, in hex."""
    return sha256(text.encode()).hexdigest()


def chain(previous_hash: str, text: str) -> str:
    """The next link of a hash chain: SHA-256 over the previous hash and this text."""
    return sha256(previous_hash.encode() + text.encode()).hexdigest()


def _without_non_finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_non_finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_non_finite(item) for item in value]
    return value
