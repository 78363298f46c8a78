"""C as text: identifiers, literals, arrays, comments. Knows C, and no operator."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

PER_LINE = 8


def c_name(entity: str) -> str:
    """The C name of an entity's model.

    Examples
    --------
    >>> c_name("C-1")
    'm_C_1'
    """
    return "m_" + re.sub(r"[^A-Za-z0-9]", "_", entity)


def c_names(entities: Iterable[str]) -> dict[str, str]:
    """C names of all entities.

    Raises
    ------
    ValueError
        Two entities would have the same one.

    Examples
    --------
    >>> c_names(["C-1", "C-2"])
    {'C-1': 'm_C_1', 'C-2': 'm_C_2'}
    """
    names: dict[str, str] = {}
    owner: dict[str, str] = {}
    for entity in entities:
        name = c_name(entity)
        # Not only equal names: a file system may not tell upper from lower case, and each model has a <name>_config.
        for taken in (name.lower(), name.lower() + "_config"):
            if owner.setdefault(taken, entity) != entity:
                raise ValueError(f"entities {owner[taken]!r} and {entity!r} both become C names like {name}; rename")
        names[entity] = name
    return names


def literal(value: float) -> str:
    """The shortest float literal that reads back as this float32.

    Examples
    --------
    >>> literal(1), literal(0.1), literal(-1e-20)
    ('1.0f', '0.1f', '-1e-20f')
    """
    return str(np.float32(value)) + "f"


TYPES = {"f32": "float", "u32": "uint32_t", "s32": "int32_t", "s16": "int16_t", "s8": "int8_t"}
"""What C calls a data type."""


def array(name: str, values: NDArray[Any], dtype: str = "f32") -> str:
    """A constant array; bytes share their place with a word, so that they are aligned like one.

    Examples
    --------
    >>> print(array("a", np.array([1, 2]), "s16"))
    const int16_t a[2] = {
        1, 2,
    };
    <BLANKLINE>
    """
    words = values.ravel().astype(str).tolist()
    suffix, per_line = ("f", PER_LINE) if dtype == "f32" else ("", 2 * PER_LINE)
    rows = [words[i : i + per_line] for i in range(0, len(words), per_line)]
    text = "{\n" + "".join("    " + f"{suffix}, ".join(row) + f"{suffix},\n" for row in rows) + "}"
    return f"{declaration(name, len(words), dtype)} = {f'{{{text}}}' if dtype == 's8' else text};\n"


def declaration(name: str, count: int, dtype: str) -> str:
    """What `array` defines.

    Examples
    --------
    >>> declaration("a", 2, "s16")
    'const int16_t a[2]'
    """
    if dtype == "s8":
        return f"const union {name}_bytes {{\n    int8_t bytes[{count}];\n    uint32_t align;\n}} {name}"
    return f"const {TYPES[dtype]} {name}[{count}]"


def string(text: str) -> str:
    """A string literal; anything but plain ASCII is escaped in octal."""
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return f'"{plain}"'


def comment(text: str) -> str:
    """Text that may stand in a comment: it neither ends it nor continues a line."""
    plain = text.encode("ascii", "replace").decode()
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("\n", " ")
