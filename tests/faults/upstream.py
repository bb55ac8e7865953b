"""A provider under the test's control: it says when a stream begins, goes on and ends."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class SlowProvider:
    """Speaks streaming chat/completions on loopback: a word every `pause_s` until `finish` is set, then its counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.cut_off = threading.Event()  # a client of ours left in the middle
        self.finish = threading.Event()
        self.pause_s = 0.1
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                provider.calls += 1
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    provider.stream(self, str(body["model"]))
                except OSError:
                    provider.cut_off.set()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def stream(self, handler: BaseHTTPRequestHandler, model: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        said = 0
        while not self.finish.wait(self.pause_s):
            said += 1
            self._event(handler, model, {"choices": [{"index": 0, "delta": {"content": f"word{said} "}}]})
        self._event(handler, model, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        counts = {"prompt_tokens": 10, "completion_tokens": said, "total_tokens": 10 + said}
        self._event(handler, model, {"choices": [], "usage": counts})
        handler.wfile.write(b"data: [DONE]\n\n")
        handler.close_connection = True

    def _event(self, handler: BaseHTTPRequestHandler, model: str, fields: dict[str, object]) -> None:
        head = {"id": "chatcmpl-slow", "object": "chat.completion.chunk", "created": 1, "model": model}
        handler.wfile.write(f"data: {json.dumps({**head, **fields})}\n\n".encode())
        handler.wfile.flush()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.finish.set()
        self._server.shutdown()
        self._server.server_close()
