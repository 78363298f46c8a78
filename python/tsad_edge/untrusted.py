"""A .pt2 file from somebody unknown, with nothing left in it that would run when it is loaded.

`torch.export.load` (torch 2.13) trusts its file: it unpickles some members, has sympy evaluate texts, looks operators
up by any dotted name below torch, writes names into Python source, and opens compiled libraries. So the archive is
read here first, compared with a list of what a graph of numbers and known operators needs, and packed anew.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SAMPLE = "data/sample_inputs/model.pt"
PROGRAM = "models/model.json"
MEMBERS = re.compile(
    r"data/(weights/(weight_\d+|model_weights_config\.json)|constants/(tensor_\d+|model_constants_config\.json)"
    r"|sample_inputs/model\.pt)|models/model\.json|archive_format|archive_version|\.data/\w+|byteorder|extra/.*"
)
"""Of the archive, below its root."""
OPERATORS = re.compile(
    r"torch\.ops\.aten\.(?!from_file\b|save\b)\w+\.\w+|torch\.ops\.higher_order\.wrap_with_set_grad_enabled"
    r"|torch\.sym_(max|min|int|float|not)|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|pow|neg|eq|ne|lt|le|gt|ge)"
)
"""The two of ATen that are left out are those that open files."""
SIZES = re.compile(
    r"(Symbol\('\w+'|(Integer|Add|Mul|Pow|Max|Min|Mod|Rational|Eq|Ne|Lt|Le|Gt|Ge|FloorDiv|PythonMod|CleanDiv|CeilDiv)\("
    r"|(positive|nonnegative|integer|real|evaluate)=|True|False|-?\d+|[ ,)])*"
)
"""How sizes are written that depend on the batch."""
TREES = {None, "builtins.tuple", "builtins.list", "builtins.dict", "builtins.NoneType"}
"""What forward may take and return, as text."""
TEXTS = {"stack_trace", "nn_module_stack", "torch_fn", "source_fn_stack", "from_node", "custom", "as_string"}
"""Keys whose texts are shown or quoted, never run."""
CHECKED = {"target": OPERATORS, "as_operator": OPERATORS, "expr_str": SIZES, "torch_version": re.compile(r"[\w.+]*")}
NAME = re.compile(r"[\w.]*")
"""What every other text, and every key, has to be."""


def harmless(path: Path) -> io.BytesIO:
    """The program in a .pt2 file, packed anew without its sample inputs, for `torch.export.load`.

    Raises
    ------
    ValueError
        It is no such file, or it holds something that is not on the list; says what, and what would do.

    Examples
    --------
    >>> torch.export.load(harmless(Path("artifacts/pump-1/graph.pt2")))  # doctest: +SKIP
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            members = {name.partition("/")[2]: archive.read(name) for name in names}
        trees = {name: json.loads(data) for name, data in members.items() if re.match(r"(data|models)/.*\.json$", name)}
        trees[PROGRAM]["guards_code"] = []  # Python that checks inputs; they are checked elsewhere
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"{path}: not a program that torch.export.save wrote, or an old one ({type(error).__name__}: {error}); "
            "export and save it again with torch 2.13"
        ) from None
    found = next(_strange(members, trees), "a member twice" if len(members) != len(names) else None)
    if found is not None:
        raise ValueError(
            f"{path}: holds {found}, which might run code when it is loaded, and is no part of a program of plain "
            "operators. Export such a program, or, if you trust whoever made this file, pass --trust-pickle: that "
            "runs the file's code"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"program/{name}", json.dumps(trees[name]) if name in trees else data)
    packed.seek(0)
    return packed


def _strange(members: dict[str, bytes], trees: dict[str, Any]) -> Iterator[str]:
    """Whatever is not on the list, in words; empties the sample inputs, which are a pickle that nobody needs."""
    members[SAMPLE] = b""
    yield from (f"a member {name!r}" for name in members if not MEMBERS.fullmatch(name))
    for name, tree in trees.items():
        for key, value in _pairs(tree):
            if not NAME.fullmatch(key):
                yield f"a key {key!r}"
            if key == "use_pickle" and value is not False:
                yield f"a pickle that {name} names"
            if isinstance(value, str) and not _fits(key, value):
                yield f"{key} {value!r}"


def _fits(key: str, text: str) -> bool:
    if key in ("in_spec", "out_spec"):
        with contextlib.suppress(ValueError):
            return all(value in TREES for name, value in _pairs(json.loads(text)) if name == "type")
        return False
    return key in TEXTS or CHECKED.get(key, NAME).fullmatch(text) is not None


def _pairs(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a JSON tree with the key it stands under, also the values in lists."""
    yield key, tree
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _pairs(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from _pairs(value, key)
