"""`mqd init`: a desk that works at once, made whole or not at all; and the page that shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from mqd import __version__
from mqd.app.new_desk import desk as new_desk
from mqd.app.new_desk.desk import make_desk
from mqd.cli.commands import application
from mqd.cli.describe import described
from mqd.ground.errors import SettingsError
from tests.commands import command

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first-desk.md"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "NO_COLOR": "1"}
Mqd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def mqd(tmp_path: Path) -> Mqd:
    """`mqd` in the test's own folder."""

    def run(*words: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return command(*words, cwd=cwd, env=ENVIRONMENT)

    return run


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "desk"
    make_desk(folder, described(application))
    return folder


# -- what is in it --------------------------------------------------------------------------------


def test_it_holds_what_a_desk_needs(desk: Path) -> None:
    made = set(_tree(desk))
    assert set(new_desk.WRITTEN) <= made
    for name in new_desk.SHIPPED:
        ours = {f"{name}/{each}" for each in _tree(ROOT / name)}
        assert ours <= made
    assert "docs/EXECUTION_INVARIANTS.md" in made


def test_shipped_files_are_copied_as_they_are(desk: Path) -> None:
    for name in new_desk.SHIPPED:
        assert _tree(desk / name) == _tree(ROOT / name)


def test_its_modelines_lead_to_its_schemas(desk: Path) -> None:
    for path in sorted((desk / "rules").rglob("*.yaml")):
        found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text("utf-8"))
        assert found is not None, path
        schema = (path.parent / found[1]).resolve()
        assert schema.is_file()
        assert schema.parent == (desk / "schemas").resolve()


def test_its_requirements_name_this_version(desk: Path) -> None:
    lines = (desk / "requirements.txt").read_text("utf-8").splitlines()
    assert f"miniquantdesk[docs]=={__version__}" in lines


def test_no_placeholder_is_left(desk: Path) -> None:
    placeholder = re.compile(rb"MQD_(NAME|PAGES|SINCE|SYMBOL|THESIS|TITLE|VERSION)\b")
    assert not [name for name, data in _tree(desk).items() if placeholder.search(data)]


def test_its_front_page_leads_to_every_generated_page(desk: Path) -> None:
    front = (desk / "docs/index.md").read_text("utf-8")
    for page in (desk / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in front


# -- the workflows --------------------------------------------------------------------------------


@pytest.fixture(params=["pages.yml", "rules.yml"])
def workflow(request: pytest.FixtureRequest, desk: Path) -> str:
    home = ROOT if request.param == "pages.yml" else desk
    text: str = (home / ".github/workflows" / request.param).read_text("utf-8")
    return text


def test_every_action_of_a_workflow_is_pinned_and_used_once_as_in_ci(workflow: str) -> None:
    ours = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    used = re.findall(r"uses: (\S+)(.*)", workflow)
    assert used
    for action, version in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", version)
        name = action.partition("@")[0]
        assert name not in ours or f"{action}{version}" in ours


def test_a_workflow_may_do_no_more_than_it_must(workflow: str) -> None:
    document = yaml.safe_load(workflow)
    assert document["permissions"] == {}
    jobs = document["jobs"]
    publish = jobs.pop("publish")
    assert publish["permissions"] == {"pages": "write", "id-token": "write"}
    assert "run" not in str(publish["steps"]), "whoever may publish runs nothing of ours"
    (check,) = jobs.values()
    assert publish["needs"] in jobs
    assert check["permissions"] == {"contents": "read"}
    assert check["steps"][0]["with"]["persist-credentials"] is False


def test_the_pull_request_runs_every_check(desk: Path) -> None:
    document = yaml.safe_load((desk / ".github/workflows/rules.yml").read_text("utf-8"))
    assert "pull_request" in document[True]  # YAML 1.1 takes `on` for a yes
    steps = [step.get("run", "") for step in document["jobs"]["check"]["steps"]]
    for wanted in ("mqd validate-rules", "mqd docs --check", "python -m pytest",
                   "mkdocs build --strict"):  # fmt: skip
        assert wanted in steps


# -- all of it or nothing -------------------------------------------------------------------------


def test_a_folder_with_a_desk_is_refused_and_left_alone(tmp_path: Path, mqd: Mqd) -> None:
    make_desk(tmp_path / "desk")
    (tmp_path / "desk/README.md").write_text("mine")
    before = _tree(tmp_path)
    done = mqd("init", "desk")
    assert done.returncode == 2
    assert not done.stdout
    assert done.stderr.count("\n") == 1
    assert "desk/.github/workflows/rules.yml is there already" in done.stderr
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("name", ["README.md", "rules/mine.yaml", ".gitignore", "docs/old.md"])
def test_one_file_of_somebody_else_is_enough_to_refuse(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(SettingsError, match=re.escape(f"{mine} is there already")):
        make_desk(tmp_path)
    assert _tree(tmp_path) == {name: b"mine"}


def test_a_link_that_leads_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "mkdocs.yml").symlink_to("nowhere")
    with pytest.raises(SettingsError, match=r"mkdocs\.yml is there already"):
        make_desk(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mkdocs.yml"]


def test_a_repository_of_somebody_s_own_can_become_a_desk(tmp_path: Path) -> None:
    for name in ("LICENSE", ".git/HEAD", ".github/workflows/other.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    names = make_desk(tmp_path)
    made = _tree(tmp_path)
    assert set(made) == {*names, "LICENSE", ".git/HEAD", ".github/workflows/other.yml"}
    assert made["LICENSE"] == b"mine"


def test_folders_on_the_way_are_made(tmp_path: Path, mqd: Mqd) -> None:
    done = mqd("init", "a/b/desk")
    assert done.returncode == 0, done.stderr
    assert "cd a/b/desk" in done.stdout
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["desk"]


def test_without_a_folder_it_is_this_one(tmp_path: Path, mqd: Mqd) -> None:
    done = mqd("init")
    assert done.returncode == 0, done.stderr
    assert "cd " not in done.stdout
    assert (tmp_path / "rules").is_dir()


def test_a_file_is_no_folder(tmp_path: Path, mqd: Mqd) -> None:
    (tmp_path / "desk").write_text("mine")
    done = mqd("init", "desk")
    assert done.returncode == 2
    assert done.stderr == "mqd: desk is a file; `mqd init` takes a folder\n"


def test_when_moving_in_fails_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if self.name == "mkdocs.yml":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        make_desk(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["LICENSE"]


# -- it works -------------------------------------------------------------------------------------


def _in_desk(desk: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=desk,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_own_tests_pass(desk: Path) -> None:
    done = _in_desk(desk, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_own_tests_see_what_is_wrong(tmp_path: Path) -> None:
    make_desk(tmp_path / "desk", described(application))
    limits = tmp_path / "desk/rules/limits/desk.yaml"
    limits.write_text(limits.read_text("utf-8").replace("value: 10\n", "value: 20\n"))
    (tmp_path / "desk/schemas/thesis.schema.json").unlink()
    done = _in_desk(tmp_path / "desk", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 1
    failed = set(re.findall(r"^FAILED \S+::(\w+)", done.stdout, flags=re.MULTILINE))
    assert failed == {
        "test_the_pages_follow_the_rules",
        "test_the_schemas_are_those_of_the_installed_mqd",
    }


# -- the page that walks a newcomer through it ----------------------------------------------------


class Step(NamedTuple):
    """A command with what the page says it prints, or an edit of a file (`old` to `new`)."""

    line: int
    command: str = ""
    expected: tuple[str, ...] = ()
    file: str = ""
    old: str = ""
    new: str = ""


def _steps(page: str) -> Iterator[Step]:
    for found in re.finditer(r"^```(console|diff)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        line = page[: found.start()].count("\n") + 2
        kind, lines = found[1], found[2].splitlines()
        if kind == "diff":
            marks = {each[0]: each[1:] for each in lines[1:]}
            yield Step(line, file=lines[0].removeprefix("--- "), old=marks["-"], new=marks["+"])
            continue
        command, expected = "", list[str]()
        for each in [*lines, "$ "]:
            if each.startswith("$ "):
                if command:
                    yield Step(line, command=command, expected=tuple(expected))
                command, expected = each.removeprefix("$ "), []
            else:
                expected.append(each)


def _pattern(lines: tuple[str, ...]) -> str:
    """The printed lines as a pattern: `...` is anything, and so is a run of blanks or a digest."""
    pattern = ""
    for line in lines:
        if line == "...":
            pattern += r"(?:.*\s)?"
            continue
        text = re.sub(r"\b[0-9a-f]{12}\.\.\.", "DIGEST", " ".join(line.split()))
        text = re.escape(text).replace("DIGEST", "[0-9a-f]+").replace(r"\.\.\.", ".*?")
        text = re.sub(r"(?<=yaml):\d+:\d+", r":\\d+:\\d+", text)  # a line more in a file is no lie
        pattern += text.replace(r"\ ", r"\s+") + r"\s+"
    return pattern


@pytest.fixture
def shell_path(tmp_path: Path) -> str:
    """`mqd`, `mkdocs` and `python` as the page types them, all of this environment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in {"mqd": "-m mqd", "mkdocs": "-m mkdocs", "python": ""}.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_page_s_commands_print_what_it_says(tmp_path: Path, shell_path: str) -> None:
    here = tmp_path / "home"
    here.mkdir()
    steps = list(_steps(PAGE.read_text("utf-8")))
    assert {step.command.split()[0] for step in steps if step.command} == {
        "cd",
        "mkdocs",
        "mqd",
        "python",
    }
    for step in steps:
        where = f"{PAGE.name}:{step.line}: {step.command}"
        if step.file:
            text = (here / step.file).read_text("utf-8")
            assert text.count(step.old) == 1, f"{where}: {step.old}"
            (here / step.file).write_text(text.replace(step.old, step.new), encoding="utf-8")
        elif step.command.startswith("cd "):
            here /= step.command.removeprefix("cd ")
        else:
            done = subprocess.run(
                ["sh", "-c", step.command],
                cwd=here,
                env={**ENVIRONMENT, "PATH": shell_path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            says_no = any(" problem" in line or "run `mqd" in line for line in step.expected)
            says_no = says_no and not any("no problems" in line for line in step.expected)
            assert done.returncode == int(says_no), f"{where}\n{done.stdout}"
            if step.expected:
                printed = " ".join(done.stdout.split()) + " "
                assert re.fullmatch(_pattern(step.expected), printed), f"{where}\n{done.stdout}"
    assert (here / "site/index.html").is_file()


def test_the_page_names_this_version_s_wheel() -> None:
    assert f"miniquantdesk-{__version__}-py3-none-any.whl" in PAGE.read_text("utf-8")
