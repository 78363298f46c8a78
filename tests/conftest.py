"""What all tests share: a fresh Python that has only what is installed."""

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def python_says() -> Callable[[str], str]:
    """Run code in a new interpreter and return what it prints."""

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
