"""The page of problem codes: every example does what it says, and the page shows it all.

`MQD_REWRITE_GOLDENS=1 python -m pytest tests/publish/test_problem_codes.py` writes what is said
into `problem_examples.yaml` again. It fails where it wrote, so it never passes silently.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from mqd.ground.errors import SettingsError
from mqd.publish.problem_codes import (
    EDIT,
    EXAMPLES,
    PAGE,
    Example,
    read_examples,
    shipped_examples,
    stages,
)
from mqd.rules.codes import all_codes
from mqd.rules.problems import Problem
from mqd.rules.validate import validate

DESK = Path(__file__).resolve().parents[1] / "rules" / "example_desk"
REWRITE = os.environ.get("MQD_REWRITE_GOLDENS") == "1"
EVERY_CODE = pytest.mark.parametrize("code", all_codes())
FILLING = "# " + "x" * 77 + "\n"


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example desk, named `rules` as a user names it."""
    shutil.copytree(DESK, tmp_path / "rules")
    (tmp_path / "elsewhere.yaml").write_text("limits: desk\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Path("rules")


def make(example: Example, rules: Path) -> None:
    """Do to the rules what the example says is wrong."""
    path = rules / _seen(example.file)
    if example.how == EDIT:
        text = edited(path.read_text(encoding="utf-8"), example)
        path.write_text(text, encoding=example.encoding)
    elif example.how == "add":
        path.write_text(_seen(example.wrong), encoding="utf-8")
    elif example.how == "link":
        path.symlink_to(rules.absolute() / example.source)
    elif example.how == "move":
        (rules / example.source).rename(path)
    elif example.how == "pipe":
        os.mkfifo(path)
    elif example.how == "remove":
        path.unlink()
    else:
        for number in range(1, example.times + 1):
            copy = rules / example.file.replace("{n}", f"{number + 1:03}")
            if example.how == "copy":
                shutil.copyfile(rules / example.source, copy)
            else:
                assert example.how == "fill"
                copy.write_text(FILLING * 3_200, encoding="utf-8")


def edited(text: str, example: Example) -> str:
    """The text with the wrong lines for the right ones, at the indentation that these have."""
    assert not remarks(example.right), example.code
    head, *_ = example.right.splitlines()
    places = [
        found.group(1)
        for found in re.finditer(rf"(?m)^( *(?:- )?){re.escape(head)}$", text)
        if _indented(example.right, found.group(1)) in text
    ]
    # A place counts once, though the same indentation may stand before the line twice.
    blocks = {_indented(example.right, lead): lead for lead in places}
    assert len(blocks) == 1, f"{example.code}: stands {len(blocks)} times"
    [(right, lead)] = blocks.items()
    assert text.count(f"\n{right}") + text.startswith(right) == 1, example.code
    lines = example.wrong.splitlines(keepends=True)
    repeated = [lines[-1].replace("{n}", str(n)) for n in range(1, example.times + 1)]
    return text.replace(right, _seen(_indented("".join(lines[:-1] + repeated), lead)), 1)


def remarks(text: str) -> list[str]:
    """Lines that are no rule but a remark, which no edit can find."""
    return [line for line in text.splitlines() if line.startswith("#")]


def _indented(text: str, lead: str) -> str:
    first, *rest = text.splitlines(keepends=True)
    return lead + first + "".join(" " * len(lead) + line for line in rest)


def _seen(text: str) -> str:
    return re.sub(r"\{U\+([0-9A-F]{4,6})\}", lambda found: chr(int(found[1], 16)), text)


def said(problems: tuple[Problem, ...], code: str) -> str:
    return "".join(f"{one.to_text()}\n" for one in problems if one.code == code)


def write_golden(code: str, text: str) -> None:
    """Put the text under `says` of the code, which is the last of its keys."""
    before = EXAMPLES.read_text(encoding="utf-8")
    entry = re.search(rf"(?ms)^{code}:\n.*?(?=\n\n[A-Z]|\Z)", before)
    assert entry
    kept = re.sub(r"(?ms)^  says: \|\n.*", "", entry.group()).rstrip("\n")
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    golden = f"{kept}\n  says: |\n{lines}".rstrip("\n")
    after = before[: entry.start()] + golden + before[entry.end() :]
    EXAMPLES.write_text(after.rstrip("\n") + "\n", encoding="utf-8")


@EVERY_CODE
def test_the_wrong_lines_lead_to_exactly_what_the_page_says(code: str, rules: Path) -> None:
    example = shipped_examples()[code]
    make(example, rules)
    problems = validate(rules).problems
    text = said(problems, code)
    if REWRITE and text != example.says:
        write_golden(code, text)
    assert text == example.says
    assert {one.code for one in problems} == {code, *example.also}


def test_the_right_lines_are_right(rules: Path) -> None:
    assert not validate(rules).problems


def test_every_code_has_an_example() -> None:
    assert set(shipped_examples()) == set(all_codes())


def test_every_message_says_how_to_mend_it() -> None:
    for example in shipped_examples().values():
        assert example.says.count("    hint: ") == example.says.count(f" {example.code}"), example


def test_the_page_has_a_section_for_every_code(pages: dict[str, str]) -> None:
    page = pages[PAGE]
    assert re.findall(r"(?m)^### (\w+)$", page) == list(all_codes())
    for code, example in shipped_examples().items():
        section = page.split(f"\n### {code}\n")[1].split("\n## ")[0].split("\n### ")[0]
        assert all_codes()[code].split("`")[0] in section
        for language, text in (
            ("yaml", example.wrong),
            ("text", example.says),
            ("yaml", example.right),
        ):
            assert f"\n```{language}\n{text}```\n" in section
        assert f"](#{code.lower()})" in page


def test_no_example_ends_its_fence_early() -> None:
    for example in shipped_examples().values():
        assert "```" not in example.wrong + example.says + example.right
        assert example.wrong.endswith("\n")
        assert example.right.endswith("\n")


def test_the_stages_tell_each_code_once() -> None:
    told = [section.code for _, sections in stages() for section in sections]
    assert told == list(all_codes())


ENTRY = "YAML_TAB:\n  file: a.yaml\n  wrong: |\n    a\n  right: |\n    b\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("YAML_TAB: [", "YAML_SYNTAX"),
        ("YAML_TAB: x\n", "YAML_TAB needs file, right, wrong"),
        (ENTRY.replace("right", "rihgt"), "YAML_TAB needs file, right, wrong"),
        (ENTRY.replace("YAML_TAB", "YAML_TABS"), "YAML_TABS is no problem code"),
        (f"{ENTRY}  times: many\n", "`times` of YAML_TAB must be a whole number"),
    ],
)
def test_examples_that_are_none_are_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=r"a\.yaml:[12]:") as told:
        read_examples(text, "a.yaml")
    assert words in str(told.value)


def test_an_example_is_read_whole() -> None:
    found = read_examples(f"{ENTRY}  times: 3\n  also: [YAML_SYNTAX]\n", "a.yaml")
    lines = {"file": 2, "wrong": 3, "right": 5, "times": 7, "also": 8}
    assert found == {
        "YAML_TAB": Example(
            "YAML_TAB", lines, "a.yaml", "a\n", "b\n", "", times=3, also=("YAML_SYNTAX",)
        )
    }
