"""An S3 server for the tests, `s3_server.py LOG HOLD`: moto's, behind a gate that can keep uploads waiting.

Prints its port, writes the path of every upload to LOG, and while the file HOLD exists lets no more than the number of
uploads written in it through.
"""

import sys
import threading
import time
from pathlib import Path

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def main(log: Path, hold: Path) -> None:
    s3, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def gate(environment, start_response):  # type: ignore[no-untyped-def]
        if environment["REQUEST_METHOD"] == "PUT":
            with lock:
                with log.open("a") as file:
                    print(environment["PATH_INFO"], file=file)
                put = len(log.read_text().splitlines())
            while hold.exists() and put > int(hold.read_text() or 0):
                time.sleep(0.02)
        return s3(environment, start_response)

    server = make_server("127.0.0.1", 0, gate, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
