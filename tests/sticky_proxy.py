"""A reverse proxy before several replicas of the page: a cookie keeps each visitor with one of them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

COOKIE = "replica"
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
OF_ONE_CONNECTION = (b"connection", b"keep-alive", b"transfer-encoding")


def proxy(replicas: Sequence[str]) -> Starlette:
    """replicas: their addresses.  New visitors take turns; those of a replica that is gone move to the next."""
    fresh = httpx.Limits(max_keepalive_connections=0)  # a kept connection may be closed just when it is used again
    client = httpx.AsyncClient(timeout=None, limits=fresh, trust_env=False)
    turns = itertools.count()

    async def forward(request: Request) -> Response:
        known, body = request.cookies.get(COOKIE, ""), await request.body()
        first = int(known) if known.isdigit() else next(turns)
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        for number in range(first, first + len(replicas)):
            number %= len(replicas)
            sent = client.build_request(
                request.method, replicas[number] + address, headers=request.headers.raw, content=body
            )
            try:
                answer = await client.send(sent, stream=True)
                break
            except httpx.ConnectError:
                continue
        else:
            return Response("No replica answers.", 502)
        made = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
        made.raw_headers = [h for h in answer.headers.raw if h[0].lower() not in OF_ONE_CONNECTION]
        made.set_cookie(COOKIE, str(number), httponly=True)
        return made

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)])


@contextmanager
def serve(replicas: Sequence[str], port: int) -> Iterator[str]:
    """The proxy's address, while the block lasts."""
    server = uvicorn.Server(uvicorn.Config(proxy(replicas), "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.force_exit = server.should_exit = True
    thread.join(30)
