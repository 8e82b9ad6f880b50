"""The building plan, enforced: a module imports only from floors below its own; each library has few homes."""

import ast
from collections.abc import Iterator
from pathlib import Path

APP = Path(__file__).parents[2] / "app"

FLOORS = [  # top to bottom
    {"cli"},
    {"main"},
    {"web", "services"},
    {"providers"},
    {"intake"},
    {"store", "embedded"},
    {"couriers"},
    {"relay"},
    {"room", "hub"},
    {"mailbox"},
    {"door"},
    {"wire"},
    {"sandbox"},
    {"render", "settings", "metrics"},
    {"figures"},
    {"pace"},
    {"trips", "tiles"},
    {"orders"},
    {"errors"},
]
HOMES = {
    "litestar": {"main", "web", "sandbox"},
    "redis": {"main", "store", "embedded"},
    "httpx": set[str](),
    "httpx2": {"providers", "services", "sandbox"},
    "jinja2": {"render"},
    "jwt": {"services"},
}
SANDBOXED = {"main", "cli"}
SIDEWAYS = {("render", "settings")}  # a page shows the store it is for
DEPTH = {name: depth for depth, names in enumerate(FLOORS) for name in names}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(APP.rglob("*.py")):
        here = path.relative_to(APP).with_suffix("").parts[0]
        if here != "__init__":
            yield here, path


def imports(path: Path) -> Iterator[str]:
    """Every import of the file, at any depth: a late import still couples."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: write the full name instead of a relative import"
            names = [f"app.{alias.name}" for alias in node.names] if node.module == "app" else [node.module or ""]
            yield from names


def edges() -> Iterator[tuple[str, list[str], Path]]:
    for here, path in modules():
        for name in imports(path):
            yield here, name.split("."), path


def test_every_module_has_a_floor() -> None:
    assert {here for here, _ in modules()} == set(DEPTH)


def test_imports_go_down() -> None:
    up = [
        f"{path.name}: {here} imports {to[1]}"
        for here, to, path in edges()
        if to[0] == "app"
        and len(to) > 1
        and here != to[1]
        and (here, to[1]) not in SIDEWAYS
        and DEPTH[here] >= DEPTH[to[1]]
    ]
    assert not up


def test_libraries_stay_home() -> None:
    strays = [f"{path.name} imports {to[0]}" for here, to, path in edges() if here not in HOMES.get(to[0], {here})]
    assert not strays


def test_sandbox_stays_outside() -> None:
    inside = [
        path.name for here, to, path in edges() if to[:2] == ["app", "sandbox"] and here not in {*SANDBOXED, "sandbox"}
    ]
    ours = [
        path.name
        for here, to, path in edges()
        if here == "sandbox" and to[0] == "app" and to[1] not in {"sandbox", "settings"}
    ]
    assert not inside
    assert not ours


def test_imports_stand_at_the_top() -> None:
    late = [
        f"{path.name}:{node.lineno}"
        for _, path in modules()
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not late
