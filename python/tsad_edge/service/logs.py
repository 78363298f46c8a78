"""The service's log: one JSON object a line, on standard error, for our messages and uvicorn's alike.

`log` is the one logger; what a message is about goes into `extra={"about": {...}}`.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("tsad_edge.service")


class JsonLines(logging.Formatter):
    """Examples
    --------
    >>> record = logging.makeLogRecord({"levelname": "INFO", "msg": "ready", "created": 0, "about": {"port": 8000}})
    >>> JsonLines().format(record)
    '{"time": "1970-01-01T00:00:00.000+00:00", "level": "info", "message": "ready", "port": 8000}'
    """

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line; newlines of its texts are escaped."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonLines}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
}
"""What `logging.config.dictConfig` takes; uvicorn's loggers pass on to the root."""
