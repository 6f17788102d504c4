"""What the pages show beside the rules: it comes from above or from other files, ready to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mqd.publish.attribution import AttributionReport
from mqd.publish.cases import Section
from mqd.publish.controls import NO_CONTROLS, Controls, Fired
from mqd.publish.deviations import Deviation
from mqd.publish.evidence import EvidenceRecord
from mqd.publish.example import Example
from mqd.publish.proofs import Recorded


class Parameter(NamedTuple):
    """One argument or option of a command; `default` is empty where there is none.

    `declared` is the program's line that declares it, as an editor takes it.
    """

    names: str
    takes: str
    default: str
    help: str
    is_option: bool
    is_required: bool
    declared: str


class Command(NamedTuple):
    """One word of the command line, as `mqd NAME --help` describes it."""

    name: str
    help: str
    parameters: tuple[Parameter, ...]
    declared: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Everything that is shown beside the rules; what is missing here is missing on the pages.

    `examples` are by strategy; `tests` are the names of the tests that exercise a rule, by the
    rule's id, `cases` what an execution desk meets and how it is tested, `controls` what
    a desk with real money needs and what this one has of it. `proofs` are the figures
    of what tried the desk as a whole, by its key; `attributed` are the trades on the samples.
    `fired` says of each rule when it last came true in the samples, by its code and, for a
    strategy's own, by `STRATEGY CODE`; None where nobody looked. `home` is the folder whose records
    of evidence and figures count; without it, the folder that pages are written to.
    """

    home: Path | None = None
    examples: Mapping[str, Example] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cases: tuple[Section, ...] = ()
    controls: Controls = NO_CONTROLS
    deviations: tuple[Deviation, ...] = ()
    evidence: tuple[EvidenceRecord, ...] = ()
    proofs: Mapping[str, Recorded] = field(default_factory=dict)
    attributed: AttributionReport | None = None
    fired: Mapping[str, Fired] | None = None

    @property
    def shows_proofs(self) -> bool:
        """Whether this is a desk that is tried as a whole: it has tests of its rules, or figures.

        A desk that only edits rules has neither, and its pages do not speak of it.
        """
        return bool(self.tests or self.proofs)


NOTHING_BESIDE = Beside()
