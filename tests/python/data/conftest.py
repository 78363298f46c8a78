"""Where the real archives are, and a params section for one's own CSV."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def mirror() -> str:
    """The folder or address of the real archives: TSAD_MIRROR, or shared/data beside the repository.

    ``TSAD_MIRROR=none`` says that there are none; without it, their absence fails where continuous integration runs.
    """
    place = os.environ.get("TSAD_MIRROR") or (str(BESIDE) if BESIDE.is_dir() else None)
    if place is None or place == "none":
        why = "the real archives are needed: set TSAD_MIRROR to the folder or address that holds them"
        if os.environ.get("CI") == "true" and place is None:
            pytest.fail(f"{why}, or to none")
        pytest.skip(why)
    return place


@dataclass(frozen=True)
class Csv:
    """As tsad_edge.params.Csv, which this room does not import."""

    train: str | None = None
    test: str | None = None
    time: str | None = None
    label: str | None = None
    train_fraction: float = 0.6


@pytest.fixture
def csv_files() -> type[Csv]:
    """Make the prepare.csv section."""
    return Csv
