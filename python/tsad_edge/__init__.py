"""tsad-edge: sensor CSV in, a proven anomaly detector in C out.

``import tsad_edge`` loads numpy and the compiled core, and not even these before they are used; training, converting
and the pipeline need the extras. See `tsad_edge.detector` for scoring and ``tsad --help`` for everything else.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Detector", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Detector":
        from .detector import Detector

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
