"""As much of Kubernetes' API as kubectl and MLEM need to apply manifests; writes every object it is sent to a file.

Argument: the file, one JSON object a line: method, path, body. Prints its port. Runs no container: a deployment is
"rolled out" and a pod "Running" as soon as somebody asks.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
KINDS = {"namespaces": ("Namespace", False), "services": ("Service", True), "pods": ("Pod", True)}


def resources(version: str, kinds: dict[str, tuple[str, bool]]) -> dict[str, Any]:
    verbs = ["create", "get", "list", "patch", "watch"]
    rows = [
        {"name": name, "singularName": "", "namespaced": inside, "kind": kind, "verbs": verbs}
        for name, (kind, inside) in kinds.items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": rows}


APPS = {"groupVersion": "apps/v1", "version": "v1"}
DISCOVERY = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [APPS], "preferredVersion": APPS}]},
    "/api/v1": resources("v1", KINDS),
    "/apis/apps/v1": resources("apps/v1", {"deployments": ("Deployment", True)}),
}


def rolled_out(record: Path) -> dict[str, Any]:
    """The deployment that was sent last, with the status of one that is done."""
    sent = [json.loads(line)["body"] for line in record.read_text().splitlines()]
    last = [each for each in sent if each["kind"] == "Deployment"][-1]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), last["spec"].get("replicas", 1))
    metadata = last["metadata"] | {"generation": 1}
    return last | {"metadata": metadata, "status": counts | {"observedGeneration": 1}}


class Handler(BaseHTTPRequestHandler):
    """Every object that is sent is kept and sent back; what is asked for is there, and well."""

    protocol_version = "HTTP/1.1"
    record: Path

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/openapi/v2":
            self.answer(200, b"", PROTOBUF)  # an empty document: nothing is known, nothing is refused
        elif path in DISCOVERY:
            self.answer(200, json.dumps(DISCOVERY[path]).encode())
        elif path.endswith("/pods"):
            pod = {"metadata": {"name": "pod"}, "status": {"phase": "Running"}}
            self.answer(200, json.dumps({"type": "ADDED", "object": pod}).encode() + b"\n")
        elif path.endswith("/deployments"):
            listed = {"kind": "DeploymentList", "apiVersion": "apps/v1", "items": [rolled_out(self.record)]}
            self.answer(200, json.dumps(listed).encode())
        elif "/deployments/" in path:
            self.answer(200, json.dumps(rolled_out(self.record)).encode())
        else:
            missing = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            self.answer(404, json.dumps(missing).encode())

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))  # YAML by name, JSON as kubectl sends it
        with self.record.open("a") as file:
            line = {"method": self.command, "path": urlsplit(self.path).path, "body": json.loads(body)}
            file.write(json.dumps(line) + "\n")
        self.answer(200 if self.command == "PATCH" else 201, body)

    do_POST = do_PATCH

    def answer(self, code: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    Handler.record = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
