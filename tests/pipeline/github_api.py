"""As much of GitHub's API as a pull request's comments need, for the tests: pages, tokens that may not write, limits.

Prints its port. The token says who asks: `bot` (a workflow's), `person`, or `reader` (a workflow's of a fork).
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

LIMIT = 65536  # characters of a comment
comments: dict[int, list[dict[str, Any]]] = {}


class Api(BaseHTTPRequestHandler):
    def answer(self, status: int, tree: Any, **headers: str) -> None:
        body = json.dumps(tree).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refused(self) -> bool:
        """Is the caller nobody, or one that may not write?"""
        who = self.headers.get("Authorization", "").removeprefix("token ")
        if who not in ("bot", "person", "reader"):
            self.answer(401, {"message": "Bad credentials"})
        elif who == "reader" and self.command != "GET":
            self.answer(403, {"message": "Resource not accessible by integration"})
        else:
            return False
        return True

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        of = re.fullmatch(r"/repos/plant/pumps/issues/(\d+)/comments", place.path)
        if self.refused():
            return
        if not of:
            self.answer(404, {"message": "Not Found"})
            return
        asked = {name: int(values[0]) for name, values in parse_qs(place.query).items()}
        size, page = min(asked.get("per_page", 30), 100), asked.get("page", 1)
        there = comments.get(int(of[1]), [])
        following = f"http://{self.headers['Host']}{place.path}?per_page={size}&page={page + 1}"
        link = {"Link": f'<{following}>; rel="next"'} if page * size < len(there) else {}
        self.answer(200, there[(page - 1) * size : page * size], **link)

    def do_POST(self) -> None:
        of = re.fullmatch(r"/repos/plant/pumps/issues/(\d+)/comments", self.path)
        body = self.text()
        if self.refused() or self.too_long(body):
            return
        if not of:
            self.answer(404, {"message": "Not Found"})
            return
        kind = "Bot" if self.headers["Authorization"] == "token bot" else "User"
        new = {"id": 1 + sum(map(len, comments.values())), "body": body, "user": {"type": kind}}
        comments.setdefault(int(of[1]), []).append(new)
        self.answer(201, new)

    def do_PATCH(self) -> None:
        of = re.fullmatch(r"/repos/plant/pumps/issues/comments/(\d+)", self.path)
        body = self.text()
        if self.refused() or self.too_long(body):
            return
        found = [each for listed in comments.values() for each in listed if of and each["id"] == int(of[1])]
        for each in found:
            each["body"] = body
        self.answer(200 if found else 404, found[0] if found else {"message": "Not Found"})

    def text(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def too_long(self, body: str) -> bool:
        if len(body) > LIMIT:
            self.answer(422, {"message": f"body is too long (maximum is {LIMIT} characters)"})
        return len(body) > LIMIT

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests look at the comments."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    print(server.server_port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
