"""A hub on this machine: as much of Hugging Face's HTTP interface as a download needs."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HubServer:
    """One repository, `studio/props`, at one revision.

    requests: what was asked, "GET path" in order. breaks_after: how many bytes of a file it sends
    before it hangs up, once; None for all.
    """

    repository = "studio/props"
    revision = "1" * 40

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.requests: list[str] = []
        self.ranges: list[str] = []
        self.breaks_after: int | None = None
        self.is_gated = False
        self.endpoint = ""


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    """Serve at `hub.endpoint` until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def log_message(self, format: str, *args: object) -> None: ...

        def _answer(self, *, has_body: bool) -> None:
            hub.requests.append(f"{self.command} {self.path}")
            if hub.is_gated:
                self._send(403, b"", {"X-Error-Code": "GatedRepo"}, has_body=has_body)
                return
            tree = re.fullmatch(r"/api/models/(.+?)/tree/(\w+)\?.*", self.path)
            file = re.fullmatch(r"/(\w+/\w+)/resolve/(\w+)/(.+)", self.path)
            found = tree or file
            if found is None or found[1] != hub.repository:
                self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, has_body=has_body)
            elif found[2] != hub.revision:
                self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, has_body=has_body)
            elif tree:
                listing = [
                    {"type": "file", "path": path, "size": len(data), "oid": _tag(data)}
                    for path, data in hub.files.items()
                ]
                self._send(200, json.dumps(listing).encode(), {}, has_body=has_body)
            elif file and file[3] in hub.files:
                data = hub.files[file[3]]
                headers = {"ETag": f'"{_tag(data)}"', "X-Repo-Commit": hub.revision}
                self._send(200, data, headers, has_body=has_body)
            else:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, has_body=has_body)

        def _send(
            self, status: int, data: bytes, headers: dict[str, str], *, has_body: bool
        ) -> None:
            wanted = self.headers.get("Range", "")
            if has_body and wanted:
                hub.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                status, data = 206, data[start:]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if has_body and hub.breaks_after is not None and len(data) > hub.breaks_after:
                data, hub.breaks_after = data[: hub.breaks_after], None
                self.close_connection = True
            if has_body:
                self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _tag(data: bytes) -> str:
    """As git names a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
