"""`tsad doctor`: what this machine has and lacks, for the six stages and for everything else.

Owns the table of needs and the commands that install them (Debian's and pip's names). Looks, but starts nothing but
``--version`` and the like; needs nothing but numpy, because it is asked where the rest is missing.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from . import toolchain
from .project import TORCH

STAGES = "the six stages"
FREE_MB = 1000
"""What values, scores, builds and a cache of a usual project take; an environment with PyTorch takes 2000 more."""

Look = Callable[[], tuple[bool, str]]


@dataclass(frozen=True)
class Need:
    """One thing: what wants it, how it is looked for, and what brings it."""

    name: str
    wanted_by: str
    look: Look
    install: str


@dataclass(frozen=True)
class Finding:
    """What a look found: a version and a path, or what is wrong; `install` is the command that mends it."""

    name: str
    wanted_by: str
    ok: bool
    found: str
    install: str


def _program(*names: str, version: tuple[str, ...] = ("--version",)) -> Look:
    """The first of these programs that is there, and what it says its version is."""

    def look() -> tuple[bool, str]:
        for name in names:
            if (path := toolchain.find(name)) is not None:
                try:
                    said = subprocess.run([path, *version], capture_output=True, text=True, timeout=30)
                except (OSError, subprocess.TimeoutExpired) as error:
                    return False, f"{path} does not run: {error}"
                number = re.search(r"\d+\.\d+[\w.+-]*", said.stdout + said.stderr)
                return True, f"{number[0] if number else 'version unknown'} ({path})"
        return False, "not found"

    return look


def _compiler() -> tuple[bool, str]:
    chosen = shlex.split(os.environ.get("CC", ""))[:1]  # options may follow
    return _program(*(chosen or ["cc", "gcc", "clang"]))()


def _torch() -> tuple[bool, str]:
    try:
        found = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return False, "not found"
    number = found.split("+")[0]
    if number == TORCH:
        return True, found
    if [int(part) for part in re.findall(r"\d+", number)] < [int(part) for part in TORCH.split(".")]:
        return False, f"{found}, which is older than {TORCH}"
    return True, f"{found}; proven with {TORCH}"


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def _packages(extra: str) -> Look:
    """What an extra of the installed distribution asks for, but PyTorch and this package's other extras."""

    def look() -> tuple[bool, str]:
        try:
            asked = metadata.requires("tsad-edge") or []
        except metadata.PackageNotFoundError:
            return False, "tsad-edge itself is not installed, only on the path"
        marked = [line for line in asked if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", line)]
        names = [name for line in marked if (name := re.split(r"[^\w.-]", line)[0]) not in {"torch", "tsad-edge"}]
        lacking = [name for name in names if not _installed(name)]
        return not lacking, f"lacks {', '.join(lacking)}" if lacking else f"all {len(names)} packages"

    return look


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(Path.cwd()).free // 10**6
    return free >= FREE_MB, f"{free} MB free here" + ("" if free >= FREE_MB else f", {FREE_MB} are needed")


FIRMWARE, DEVELOPMENT = "firmware and its tests", "tests of this package's own sources"
NEEDS = (
    Need("PyTorch", STAGES, _torch, f"pip install torch=={TORCH}"),
    Need("packages of [train]", STAGES, _packages("train"), f"pip install 'tsad-edge[train]' torch=={TORCH}"),
    Need("C compiler", STAGES, _compiler, "sudo apt-get install gcc libc6-dev"),
    Need("cmake", STAGES, _program("cmake"), "pip install cmake"),
    Need("ninja or make", STAGES, _program("ninja", "make"), "pip install ninja"),
    Need("disk space", STAGES, _disk, "free some, or work elsewhere"),
    Need("dvc", "dvc repro", _program("dvc"), "pip install 'tsad-edge[pipeline]'"),
    Need("git", "dvc repro", _program("git"), "sudo apt-get install git"),
    Need("size", "code bytes in cost.json", _program("size"), "sudo apt-get install binutils"),
    Need("arm-none-eabi-gcc", FIRMWARE, _program("arm-none-eabi-gcc"), "sudo apt-get install gcc-arm-none-eabi"),
    Need(
        "riscv64-unknown-elf-gcc",
        FIRMWARE,
        _program("riscv64-unknown-elf-gcc"),
        "sudo apt-get install gcc-riscv64-unknown-elf",
    ),
    Need("qemu-system-arm", FIRMWARE, _program("qemu-system-arm"), "sudo apt-get install qemu-system-arm"),
    Need("qemu-system-riscv32", FIRMWARE, _program("qemu-system-riscv32"), "sudo apt-get install qemu-system-misc"),
    Need("packages of [serve]", "tsad serve", _packages("serve"), "pip install 'tsad-edge[serve]'"),
    Need("packages of [registry]", "tsad registry", _packages("registry"), "pip install 'tsad-edge[registry]'"),
    Need(
        "kubectl",
        "tsad deploy",
        _program("kubectl", version=("version", "--client")),
        "sudo apt-get install kubernetes-client",
    ),
    Need("C++ compiler", DEVELOPMENT, _program("c++", "g++", "clang++"), "sudo apt-get install g++"),
    Need(
        "chromium",
        DEVELOPMENT,
        _program("chromium", "chromium-browser", "google-chrome"),
        "sudo apt-get install chromium",
    ),
)


def examine() -> list[Finding]:
    """Look for everything.

    Examples
    --------
    >>> {finding.wanted_by for finding in examine()} >= {"the six stages", "dvc repro"}
    True
    """
    found = []
    for need in NEEDS:
        ok, words = need.look()
        found.append(Finding(need.name, need.wanted_by, ok, words, need.install))
    return found


def sufficient(findings: list[Finding]) -> bool:
    """Whether the six stages can run.

    Examples
    --------
    >>> sufficient([Finding("chromium", "the report's test", False, "not found", "...")])
    True
    """
    return all(finding.ok for finding in findings if finding.wanted_by == STAGES)


def page(findings: list[Finding]) -> str:
    """The findings as text, what wants them as headings."""
    width, lines, heading = max(len(finding.name) for finding in findings), [], ""
    for one in findings:
        if one.wanted_by != heading:
            heading = one.wanted_by
            lines.append(f"{heading} want{'s' if heading.startswith(('dvc ', 'tsad ')) else ''}")
        state, mend = ("ok     ", "") if one.ok else ("MISSING", f"; {one.install}")
        lines.append(f"  {state}  {one.name.ljust(width)}  {one.found}{mend}")
    verdict = "the six stages can run" if sufficient(findings) else "the six stages cannot run yet: see MISSING above"
    return "\n".join([*lines, verdict])
