"""What a model has to say: a note for a person, never an instruction to the desk."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

LONGEST_TEXT = 4_000
LONGEST_NAME = 100
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CUT = "..."


class Advice(NamedTuple):
    """One note: of which model, asked with which prompt (its SHA-256), about what.

    Make one with `advice_of`. `dropped_before` counts the notes that were lost just before it.
    """

    at_ns: int
    model: str
    prompt_sha256: str
    subject: str
    text: str
    dropped_before: int = 0


def advice_of(at_ns: int, model: str, prompt_sha256: str, subject: str, text: str) -> Advice:
    """The note, with everything taken out that is not text to be read, and cut to a bounded size.

    Raises:
        ValueError: it does not say which model, or with which prompt; or it says nothing.
    """
    if not _SHA256.fullmatch(prompt_sha256):
        raise ValueError("the prompt's SHA-256 is 64 digits 0-9 and a-f")
    if type(at_ns) is not int or at_ns < 0:
        raise ValueError("a note has an instant")
    name, said = plain(model, LONGEST_NAME), plain(text, LONGEST_TEXT)
    if not name or not said:
        raise ValueError("a note names its model and says something")
    return Advice(at_ns, name, prompt_sha256, plain(subject, LONGEST_NAME), said)


def prompt_hash(prompt: bytes) -> str:
    """The SHA-256 of what the model was asked."""
    return sha256(prompt).hexdigest()


def plain(text: str, longest: int) -> str:
    """One line that can be shown: no control characters, none that turn or hide text."""
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return shown if len(shown) <= longest else shown[: longest - len(_CUT)] + _CUT
