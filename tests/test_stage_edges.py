"""The pipeline's graph is the promised one, and every file a stage imports is one of its deps."""

import ast
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]

EDGES = {
    ("prepare", "train"),
    ("train", "test"),
    ("train", "convert"),
    ("test", "evaluate"),
    ("convert", "check"),
    # what honesty needs, each with its reason in dvc.yaml
    ("prepare", "test"),
    ("prepare", "evaluate"),
    ("prepare", "check"),
    ("test", "check"),
}


def outs(stage: str) -> list[str]:
    """Paths a stage writes."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in DVC[stage].get(kind, [])]
    return [next(iter(out)) if isinstance(out, dict) else out for out in listed]


def test_edges() -> None:
    owner = {out: stage for stage in DVC for out in outs(stage)}
    assert {(owner[dep], stage) for stage in DVC for dep in DVC[stage]["deps"] if dep in owner} == EDGES


def test_only_what_judges_reads_labels() -> None:
    """evaluate, and check, which asks what integers cost in VUS-PR."""
    assert [stage for stage in DVC if "data/labels" in DVC[stage]["deps"]] == ["evaluate", "check"]


def imported_by(function: str) -> set[str]:
    """Rooms of the package that a function of stages.py and the functions it names, also of entity.py, import."""
    trees = [ast.parse((ROOT / f"python/tsad_edge/{name}.py").read_text()) for name in ("entity", "stages")]
    functions = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    wanted, seen, rooms = [function], set(), set()
    while wanted:
        name = wanted.pop()
        seen.add(name)
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                rooms |= {(node.module or alias.name).split(".")[0] for alias in node.names}
            if isinstance(node, ast.Name) and node.id in functions and node.id not in seen:
                wanted.append(node.id)
    return rooms


def closure(rooms: set[str]) -> set[str]:
    """The rooms and what they import in turn; of the compiler not `unrolled`, which changes no byte of any result."""
    package, todo, done = ROOT / "python/tsad_edge", list(rooms), set()
    while todo:
        room = todo.pop()
        if room in done or room in {"_core", "__version__"}:
            continue
        done.add(room)
        if room == "codegen":
            continue
        files = package.joinpath(room).rglob("*.py") if (package / room).is_dir() else [package / f"{room}.py"]
        for file in files:
            depth = 1 + len(file.parent.relative_to(package).parts)
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level == depth and node.module != "codegen.unrolled":
                    todo += [(node.module or alias.name).split(".")[0] for alias in node.names]
    return done


def test_code_a_stage_imports_is_among_its_deps() -> None:
    for stage in DVC:
        deps = set(DVC[stage]["deps"])
        for room in closure(imported_by(stage)) | {"cli", "stages", "entity", "params"}:
            if room == "codegen":
                assert "codegen" in deps, f"{stage} imports codegen"
            else:
                here = f"python/tsad_edge/{room}"
                assert here in deps or f"{here}.py" in deps, f"{stage} imports {room}, which is no dep"
