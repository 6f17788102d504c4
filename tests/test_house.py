"""The rules of the house, as failing tests. CONTRIBUTING.md says them in words."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES = 400
FUNCTION_LINES = 70
BANNED_NAMES = {
    "base",
    "common",
    "helper",
    "helpers",
    "manager",
    "managers",
    "misc",
    "util",
    "utils",
}
PURE_FLOORS = ("ground", "model", "ports", "rules", "engine")
READS_FILES = {"mqd/rules/find.py"}
IMPURE_BUILTINS = {"breakpoint", "hash", "id", "input", "open", "print"}
IMPURE_METHODS = {
    "cwd",
    "exists",
    "glob",
    "home",
    "is_dir",
    "is_file",
    "iterdir",
    "mkdir",
    "now",
    "read_bytes",
    "read_text",
    "rglob",
    "stat",
    "today",
    "touch",
    "unlink",
    "utcnow",
    "write_bytes",
    "write_text",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _files() -> list[Path]:
    """What git knows or would take; without git (an unpacked release), everything that counts."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    found = [ROOT / name for name in names if name] or [
        path
        for path in ROOT.rglob("*")
        if not re.match(r"(\.venv|var/|build/|dist/|site/|\.\w+_cache|\.git/)", _name(path))
        and "__pycache__" not in path.parts
    ]
    return sorted(path for path in found if path.is_file())


MODULES = sorted((ROOT / "mqd").rglob("*.py"))
PURE = [path for path in MODULES if _name(path).split("/")[1] in PURE_FLOORS]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
EVERY_MODULE = pytest.mark.parametrize("path", MODULES, ids=_name)
EVERY_PURE_MODULE = pytest.mark.parametrize("path", PURE, ids=_name)


def _functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


@EVERY_MODULE
def test_modules_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES, f"{lines} lines; {MODULE_LINES} is the most"
    long = {
        f"{function.name} (line {function.lineno})": length
        for function in _functions(TREES[path])
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }
    assert not long, f"{FUNCTION_LINES} lines are the most for a function"


@EVERY_MODULE
def test_module_names_say_what_is_inside(path: Path) -> None:
    assert not BANNED_NAMES & set(_name(path.with_suffix("")).split("/"))


def _undocumented(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    if not ast.get_docstring(node):
        yield prefix or "the module"
    for child in node.body:
        if not isinstance(child, Function | ast.ClassDef) or child.name.startswith("_"):
            continue
        name = f"{prefix}.{child.name}".lstrip(".")
        if isinstance(child, ast.ClassDef):
            yield from _undocumented(child, name)
        elif not ast.get_docstring(child) and not _is_overload(child):
            yield name


def _is_overload(function: Function) -> bool:
    return any("overload" in ast.unparse(decorator) for decorator in function.decorator_list)


@EVERY_PURE_MODULE
def test_every_public_name_of_the_pure_floors_has_a_docstring(path: Path) -> None:
    assert not list(_undocumented(TREES[path]))


def _impure_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if (isinstance(called, ast.Name) and called.id in IMPURE_BUILTINS) or (
            isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS
        ):
            yield f"line {node.lineno}: {ast.unparse(called)}()"


@EVERY_PURE_MODULE
def test_the_pure_floors_ask_no_clock_and_touch_no_disk(path: Path) -> None:
    """What import-linter cannot see; `hash` and `id` differ from one process to the next."""
    if _name(path) not in READS_FILES:
        assert not list(_impure_calls(TREES[path]))


def test_the_check_for_impure_calls_sees_them() -> None:
    source = "open('x')\ndatetime.now(UTC)\npath.read_text()\nhash('a')\nself.opened(1)\n"
    assert len(list(_impure_calls(ast.parse(source)))) == len(source.splitlines()) - 1


def test_the_floors_hold() -> None:
    script = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [script, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_stands_on_a_floor() -> None:
    """The layers are exhaustive, so that a new room cannot appear without a floor."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["id"]: each for each in settings["tool"]["importlinter"]["contracts"]}
    assert contracts["floors"]["exhaustive"] is True
    rooms = {word for layer in contracts["floors"]["layers"] for word in layer.split(" | ")}
    assert {path.parent.name for path in (ROOT / "mqd").glob("*/__init__.py")} <= rooms
    assert set(contracts["pure"]["source_modules"]) == {f"mqd.{floor}" for floor in PURE_FLOORS}
    assert contracts["pure"]["ignore_imports"] == ["mqd.rules.find -> *"]


def test_every_lint_exception_in_pyproject_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    exceptions = re.findall(r'^ +"[A-Z]+\d*",?.*$', lint, flags=re.MULTILINE)
    assert exceptions
    assert not [line for line in exceptions if not re.search(r"# \w", line)]


@pytest.mark.parametrize("path", [*MODULES, *sorted(ROOT.glob("tests/**/*.py"))], ids=_name)
def test_every_lint_exception_in_code_says_why(path: Path) -> None:
    """As in `# noqa: CODE  # why` and `# type: ignore[code]  # why`."""
    bare = re.compile(r"#\s*(noqa(?!: [A-Z])|noqa: [A-Z\d, ]+$|type: ignore(\[[\w, -]+\])?$)")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [f"line {number}" for number, line in enumerate(lines, 1) if bare.search(line)]


FORBIDDEN_TEXT = {
    "a path of one machine": ("/" + "work/", "/" + "root/", "/" + "tmp/v"),
    "an index address": (
        "--index" + "-url ",
        "--extra-index" + "-url ",
        "--find" + "-links ",
        "pypi" + ".org",
        "python" + "hosted.org",
        "registry.npm" + "js",
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_file_names(what: str) -> None:
    found = []
    for path in _files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{_name(path)}: {word}" for word in FORBIDDEN_TEXT[what] if word in text]
    assert not found


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=_name
)
def test_links_lead_to_files_and_lines_that_exist(page: Path) -> None:
    dead = []
    for target, _, anchor in re.findall(
        r"\]\(([^)#:\s]+)(#([^)\s]*))?\)", page.read_text(encoding="utf-8")
    ):
        file = page.parent / target
        line = re.fullmatch(r"L(\d+)", anchor)
        if not file.exists() or (
            line and int(line[1]) > len(file.read_text(encoding="utf-8").splitlines())
        ):
            dead.append(target + ("#" + anchor if anchor else ""))
    assert not dead


def test_python_and_yaml_are_indented_with_spaces() -> None:
    tabbed = [
        _name(path)
        for path in _files()
        if path.suffix in {".py", ".yaml", ".yml", ".toml", ".json"}
        and not _name(path).startswith("tests/rules/broken/")  # what rule authors do wrong
        and re.search(rb"^ *\t", path.read_bytes(), flags=re.MULTILINE)
    ]
    assert not tabbed


PROPERTIES = ("properties", "patternProperties")
CONDITIONS = {"if", "then", "else", "not"}  # these speak again of a property described elsewhere


def _children(schema: Any) -> Iterator[tuple[str, Any]]:
    """The schemas right inside a schema, each with where it stands."""
    if isinstance(schema, list):
        yield from ((str(index), each) for index, each in enumerate(schema))
    elif isinstance(schema, dict):
        for key, inner in schema.items():
            if key in {*PROPERTIES, "$defs"}:
                yield from ((f"{key}/{name}", each) for name, each in inner.items())
            elif key not in {*CONDITIONS, "const", "default", "enum", "examples"}:
                yield key, inner


def _is_described(schema: Any, document: Any) -> bool:
    """By itself, or where its `$ref` leads inside the same document."""
    if not isinstance(schema, dict) or schema.get("description"):
        return isinstance(schema, dict)
    target: Any = document if schema.get("$ref", "").startswith("#/") else None
    for step in schema.get("$ref", "").split("/")[1:] if target else ():
        target = target[step]
    return target is not None and _is_described(target, document)


def _silent(schema: Any, document: Any, where: str = "") -> Iterator[str]:
    """Properties, and values of a choice, without a description."""
    for step, inner in _children(schema):
        is_property = step.startswith(PROPERTIES)
        is_choice = where.endswith("oneOf") and "const" in inner
        if (is_property or is_choice) and not _is_described(inner, document):
            yield f"{where}/{step}"
        if isinstance(inner, dict) and "enum" in inner:
            yield f"{where}/{step}/enum: use oneOf, where each value has its description"
        yield from _silent(inner, document, f"{where}/{step}")


def test_there_are_schemas() -> None:
    assert sorted((ROOT / "schemas").rglob("*.json"))


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").rglob("*.json")), ids=_name)
def test_every_property_of_a_schema_is_described(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert not list(_silent(schema, schema))
