"""House rules 1, 2, 9 and 10: modules have a sentence, an honest name, imports in sight, and no blanket except."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

NAMES_THAT_SAY_NOTHING = {
    "utils", "util", "helpers", "helper", "common", "core", "base", "services", "managers", "signals", "misc",
}  # fmt: skip
ROOM_NAMES_THAT_HIDE_A_LIBRARY = {"lib", "kubernetes", "celery", "secrets"}

# A longer file needs a reason here; a file that has become short again must leave the list.
MAY_BE_LONG: dict[str, str] = {}

# An import inside a function needs a reason here.
MAY_IMPORT_LATE = {
    "manage.py": "Django's own form: the settings module must be named before Django is imported",
    "cluster/client.py": "the official client costs 0.2 s and 30 MB, which only who asks a cluster should pay",
}

# `except Exception` belongs to the edge where a unit of work ends; each place says why.
MAY_CATCH_ALL: dict[str, str] = {
    "audit/management/commands/follow.py": "the edge of a turn: a fault in one log must not stop the others",
    "cluster/turn.py": "the edge of a thread: a fault in one watch must end the turn, not leave it half done",
    "vault/wire.py": "marks any failure to connect as one before anything was sent, and raises it again",
    "receiver/house.py": "the edge of a request: its sender must be answered whatever happens",
    "audit/tasks.py": "the edge of a turn: a fault in one log must not stop the others",
    "inventory/tasks.py": "the edge of a turn: a fault at one cluster must not stop the others",
    "rotation/delivering.py": "the edge of a try: a notice that can't be sent must not keep back those behind it",
    "rotation/tasks.py": "the edge of a turn: a fault in one change must not stop the others",
    "rotation/runner.py": "the edge of a step: whatever it raises becomes a sentence beside it, and a look",
    "rotation/preflight.py": "the edge of a look: whatever a step raises, the approver reads it as a sentence",
    "rotation/assertions.py": "whatever a hostile answer makes the decoder raise is a refusal",
}

# Pure modules take the time as an argument, so that their tests need no patience and no patching.
PURE = ("kit/", "vault/", "cluster/", "audit/principal.py", "inventory/sights.py")
NOT_PURE = ("vault/wire.py", "cluster/client.py", "cluster/turn.py", "cluster/watch.py")
CLOCKS = re.compile(r"\b(?:time\.(?:time|monotonic|perf_counter|sleep)|datetime\.(?:now|utcnow)|date\.today)\b")


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _catches_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    names = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(name is None or ast.unparse(name) in {"Exception", "BaseException"} for name in names)


def _stale(allowed: dict[str, str], used: set[str]) -> list[str]:
    return sorted(set(allowed) - used)


def test_every_module_opens_with_its_sentence(house):
    silent = [str(path) for path in house.modules() if not ast.get_docstring(house.tree(path))]
    assert silent == [], "open each with one sentence that says what it is for"


def test_every_room_says_what_it_is(house):
    silent = [room for room in house.rooms if not ast.get_docstring(house.tree(Path(room) / "__init__.py"))]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing(house):
    found = [str(path) for path in house.modules() if {path.stem, *path.parent.parts} & NAMES_THAT_SAY_NOTHING]
    assert found == [], "name a module for the thing it holds or the one effect it has"


def test_no_room_hides_a_library(house):
    assert {path.parts[0] for path in house.files()} & ROOM_NAMES_THAT_HIDE_A_LIBRARY == set()


def test_imports_stand_in_sight_at_the_top(house):
    late = {
        f"{path}:{inner.lineno}": str(path)
        for path in house.modules(*house.rooms, "manage.py")
        for function in _functions(house.tree(path))
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    assert [place for place, path in late.items() if path not in MAY_IMPORT_LATE] == []
    assert _stale(MAY_IMPORT_LATE, set(late.values())) == []


def test_no_file_of_a_room_is_longer_than_400_lines(house):
    long = {str(path): n for path in house.modules(*house.rooms) if (n := house.text(path).count("\n")) > 400}
    assert {path: n for path, n in long.items() if path not in MAY_BE_LONG} == {}, "split it by what it says it does"
    assert _stale(MAY_BE_LONG, set(long)) == []


def test_nine_functions_in_ten_are_at_most_30_lines(house):
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in house.modules(*house.rooms)
        for node in _functions(house.tree(path))
    )
    assert lengths[int(len(lengths) * 0.9)] <= 30


def test_everything_is_caught_only_where_a_unit_of_work_ends(house):
    found = {
        f"{path}:{node.lineno}": str(path)
        for path in house.modules(*house.rooms, "manage.py")
        for node in ast.walk(house.tree(path))
        if _catches_all(node)
    }
    assert [place for place, path in found.items() if path not in MAY_CATCH_ALL] == [], "name the error that you expect"
    assert _stale(MAY_CATCH_ALL, set(found.values())) == []


def test_pure_modules_look_at_no_clock(house):
    found = [
        f"{path}: {match.group()}"
        for path in house.modules("kit", "vault", "cluster", "audit")
        if str(path).startswith(PURE) and str(path) not in NOT_PURE
        for match in CLOCKS.finditer(house.text(path))
    ]
    assert found == [], "take the time as an argument"


def test_no_django_signal_is_used(house):
    found = [
        f"{path}:{node.lineno}"
        for path in house.modules(*house.rooms)
        for node in ast.walk(house.tree(path))
        if isinstance(node, ast.ImportFrom) and re.search(r"^django\.(dispatch|.*\.?signals)$", f"{node.module}")
    ]
    assert found == [], "call the function instead: a reader can follow a call"
