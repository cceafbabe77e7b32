"""The rooms of the packages and the one direction in which they may import each other."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "trials", "tuner")
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc", "base"}
HEAVY = {"torch", "ray", "plotly", "optuna", "pandas", "sqlalchemy", "pydantic", "numpy", "sklearn"}
SQL = {"sqlalchemy", "sqlite3", "psycopg", "psycopg2", "alembic"}

MUST_NOT_REACH = {
    "search_spaces": {"trials", "tuner", "torch", "ray", "sklearn", *SQL},
    "trials": {"tuner", "ray", *SQL},
    "tuner.errors": {"tuner.spec", "trials", "torch", "optuna"},
    "tuner.spec": {"tuner.messages", "tuner.algorithms", "tuner.storage", "torch", "optuna"},
    "tuner.messages": {"tuner.algorithms", "tuner.storage", "tuner.ledger", "torch", "optuna"},
    "tuner.algorithms": {"tuner.storage", "tuner.ledger", "tuner.lane", "torch"},
    "tuner.storage": {"tuner.ledger", "tuner.lane", "tuner.cluster", "tuner.study", "torch"},
    "tuner.lane": {"tuner.algorithms", "tuner.storage", "tuner.ledger", "tuner.cluster", *SQL},
    "tuner.ledger": {"tuner.lane", "tuner.cluster", "tuner.study", "torch", "ray"},
    "tuner.cluster": {"tuner.study", "tuner.cli"},
    "tuner.report": {"tuner.storage", "tuner.study", "tuner.cli", "trials", "torch", "ray", *SQL},
    "tuner.trackers": {"tuner.study", "tuner.cli"},
    "tuner.study": {"tuner.cli"},
}
"""Room -> what no module in it may import, itself or through others."""


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of ours."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {_dotted(path): path for path in sorted(files)}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(name: str, path: Path, *, types: bool) -> set[str]:
    """Every module that `path` imports anywhere, functions included, and for `types` too or not."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree if types else _WithoutTypes().visit(tree)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(name, path, node)
            inner = {f"{start}.{alias.name}" for alias in node.names}
            modules_within = inner & set(MODULES)
            found.update(modules_within)
            if len(modules_within) < len(inner):
                found.add(start)
    return found


def _absolute(name: str, path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


class _WithoutTypes(ast.NodeTransformer):
    """Drops what stands under `if TYPE_CHECKING`."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        """The statement, unless it is one for types."""
        is_typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if is_typing else self.generic_visit(node)


MODULES = modules()
IMPORTS = {name: imports(name, path, types=True) for name, path in MODULES.items()}
RUN_TIME = {name: imports(name, path, types=False) for name, path in MODULES.items()}


def within(name: str, room: str) -> bool:
    """Whether a module is a room or lies in it."""
    return name == room or name.startswith(room + ".")


def reach(name: str, graph: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Everything that `name` imports, itself or through ours, each with the way to it."""
    ways = {name: name}
    todo = [name]
    while todo:
        importer = todo.pop()
        for imported in sorted(graph.get(importer, ())):
            if imported not in ways:
                ways[imported] = f"{ways[importer]} -> {imported}"
                todo.append(imported)
                yield imported, ways[imported]


def functions() -> Iterator[tuple[str, int]]:
    """Every function of ours with its lines of code, the docstring left out."""
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                has_docstring = ast.get_docstring(node) is not None
                docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
                lines = (node.end_lineno or 0) - node.lineno + 1 - docstring
                yield f"{name}.{node.name}", lines


@pytest.mark.parametrize("room", MUST_NOT_REACH)
def test_rooms_import_one_way(room: str) -> None:
    """No module of a room reaches what stands above it, nor, when it runs, a library it must not.

    A room above must not be reached for types either; a library may be named for types.
    """
    ours = {banned for banned in MUST_NOT_REACH[room] if banned.split(".")[0] in PACKAGES}
    libraries = MUST_NOT_REACH[room] - ours
    wrong = [
        way
        for name in MODULES
        if within(name, room)
        for graph, banned in ((IMPORTS, ours), (RUN_TIME, libraries))
        for imported, way in reach(name, graph)
        if any(within(imported, item) for item in banned)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_cycle() -> None:
    """The graph of imports, type-only ones included, has no cycle."""
    graph = {name: {i for i in found if i in MODULES} for name, found in IMPORTS.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("ray", ("tuner.cluster",)),
        *((name, ("tuner.storage",)) for name in sorted(SQL)),
        ("plotly", ("tuner.report", "tuner.study")),
        ("tensorboard", ("tuner.trackers",)),
        ("mlflow", ("tuner.trackers",)),
        ("click", ("tuner.cli",)),
        ("rich", ("tuner.cli",)),
    ],
)
def test_libraries_stay_in_their_rooms(package: str, rooms: tuple[str, ...]) -> None:
    """Ray, SQL, Plotly and the terminal are each imported in one room alone."""
    importers = {
        name for name, found in IMPORTS.items() if any(within(item, package) for item in found)
    }
    assert not {name for name in importers if not any(within(name, room) for room in rooms)}


def test_nothing_is_unpickled() -> None:
    """What others can write, a database, a file, a spec, is never loaded as code."""
    modules = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    assert not {name for name, found in IMPORTS.items() if found & modules}
    calls = ("torch.load(", "allow_pickle=True", "yaml.load(", "yaml.unsafe_load(", "read_pickle(")
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    assert not [(name, call) for name, text in texts.items() for call in calls if call in text]


def test_optuna_in_spaces_and_trials_is_narrow() -> None:
    """Spaces know Optuna's distributions; of the trials, one file knows its trial."""
    for name, found in IMPORTS.items():
        optuna = {item for item in found if within(item, "optuna")}
        if within(name, "search_spaces"):
            assert all(within(item, "optuna.distributions") for item in optuna), name
        elif within(name, "trials") and name != "trials.function":
            assert not optuna, name


def test_every_import_is_a_declared_dependency() -> None:
    """What the packages import is named in pyproject.toml, and nothing else is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {_distribution(entry) for entry in project["dependencies"]}
    optional = {
        _distribution(entry)
        for entries in project["optional-dependencies"].values()
        for entry in entries
    }
    tops = {item.split(".")[0] for found in IMPORTS.values() for item in found}
    foreign = {top for top in tops if top not in sys.stdlib_module_names and top not in PACKAGES}
    owners = packages_distributions()
    used = {_distribution(owners[top][0]) for top in foreign if top in owners}
    assert not used - required - optional
    by_others = {"pyarrow", "scikit-learn"}  # pandas writes Parquet by it; its files are read
    assert not required - used - by_others, "declared but not imported"


def _distribution(requirement: str) -> str:
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("arguments", [["--help"], ["launch", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help answers without any of the libraries that take long to import."""
    code = (
        "import sys; from tuner.cli import main; code = main(sys.argv[1:]); "
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr.strip()) == (0, "[]")


def test_help_answers_within_half_a_second() -> None:
    """The quickest of three calls of `tuner --help` takes less than 0.5 s of CPU."""
    command = [sys.executable, "-c", "from tuner.cli import main; main(['--help'])"]
    spent_s = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        after = os.times()
        user_s = after.children_user - before.children_user
        spent_s.append(user_s + after.children_system - before.children_system)
    assert min(spent_s) < 0.5


@pytest.mark.parametrize("name", MODULES)
def test_module_is_short_and_says_what_it_hides(name: str) -> None:
    """A module has at most 400 lines and opens with a docstring (an empty one needs none)."""
    text = MODULES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_functions_are_short() -> None:
    """No function has more than 60 lines of code."""
    assert not {name: lines for name, lines in functions() if lines > LONGEST_FUNCTION}


def test_names_say_something() -> None:
    """No module or folder is named for being useful somehow."""
    assert not {name for name in MODULES if VAGUE_NAMES & set(name.split("."))}
