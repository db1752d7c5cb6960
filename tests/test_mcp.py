"""The page as an MCP server: every tool called by an MCP client over streamable HTTP and SSE."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from PIL import Image
from small_pack import write_small_pack
from small_page import small_page
from small_rigged import add_rig
from small_words import add_words

TOOLS = ["transfer_hair", "swap_face", "edit_text", "direction_sliders", "repose", "align", "parse", "embed"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with small_page(add_rig(add_words(write_small_pack(folder / "pack"))), folder) as found:
        _, url, _ = found.app.demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, mcp_server=True)
        yield url.rstrip("/")
        found.app.demo.close()


@asynccontextmanager
async def connected(url: str, transport: str):
    from mcp import ClientSession
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamablehttp_client

    opened = {"http": lambda: streamablehttp_client(f"{url}/gradio_api/mcp/")}
    opened["sse"] = lambda: sse_client(f"{url}/gradio_api/mcp/sse")
    async with opened[transport]() as streams, ClientSession(*streams[:2]) as session:
        await session.initialize()
        yield session


async def noted(progress: float, total: float | None, message: str | None) -> None:
    """Takes note of progress: clients that want none are answered by another path of Gradio's."""


def finished(work):
    """The value of a coroutine, in a thread of its own: the driver of a browser may have left a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def call(url: str, name: str, arguments: dict, transport: str = "http", progress=None):
    async def work():
        async with connected(url, transport) as session:
            return await session.call_tool(name, arguments, progress_callback=progress)

    return finished(work())


def as_data(path: str) -> str:
    with open(path, "rb") as file:
        return "data:image/png;base64," + base64.b64encode(file.read()).decode()


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_only_the_named_endpoints_are_tools(server, transport):
    async def listed():
        async with connected(server, transport) as session:
            return (await session.list_tools()).tools

    tools = finished(listed())
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        described = {name: kind.get("description") for name, kind in tool.inputSchema["properties"].items()}
        assert tool.description and all(described.values()), (tool.name, described)
        assert "face" in tool.inputSchema["required"]


def test_what_the_page_asks_for_its_mcp_tab_is_there(server):
    schema = json.loads(urllib.request.urlopen(f"{server}/gradio_api/mcp/schema", timeout=60).read())
    assert [tool["name"] for tool in schema] == TOOLS


ARGUMENTS = {
    "transfer_hair": {"hair_shape": 1, "seed": 2},
    "swap_face": {"into": 1},
    "edit_text": {"prompt": "blond hair", "neutral": "hair", "alpha": 6, "beta": 0.02},
    "direction_sliders": {"edits": [{"target": "blond hair", "neutral": "hair", "alpha": 3}]},
    "repose": {"yaw": 8, "light": {"azimuth": -40}},
    "align": {"size": 96},
    "parse": {},
    "embed": {"space": "W+"},
}


@pytest.mark.parametrize("name, progress", [*((name, None) for name in TOOLS), ("align", noted), ("repose", noted)])
def test_every_tool_answers_with_a_picture_and_figures(server, photo, name, progress):
    arguments = {"face": 0, **ARGUMENTS[name]}
    for role in ("face", "hair_shape", "into"):
        if role in arguments:
            arguments[role] = as_data(photo(arguments[role]))
    answer = call(server, name, arguments, progress=progress)
    assert not answer.isError, answer.content
    pictures = [part for part in answer.content if part.type == "image"]
    shown = Image.open(io.BytesIO(base64.b64decode(pictures[0].data)))
    assert shown.size == ((96, 96) if name == "align" else (64, 64))
    texts = [part.text for part in answer.content if part.type == "text"]
    assert any("notices" in text for text in texts)
    if name == "embed":
        assert any(".safetensors" in text for text in texts)


def test_a_tool_over_sse(server, photo):
    answer = call(server, "align", {"face": as_data(photo(0))}, "sse")
    assert not answer.isError and answer.content[0].type == "image"


@pytest.mark.parametrize(
    "name, arguments, words",
    [
        ("edit_text", {"prompt": "   "}, "prompt"),
        ("repose", {"yaw": 170}, "yaw"),
        ("align", {"size": 5}, "size"),
        ("align", {"face_index": 9}, "face"),
        ("embed", {"space": "Q"}, "Q"),
    ],
)
def test_what_is_wrong_is_a_sentence(server, photo, name, arguments, words):
    answer = call(server, name, {"face": as_data(photo(0)), **arguments})
    said = " ".join(part.text for part in answer.content)
    assert answer.isError and words in said
    assert "Traceback" not in said and "inside the program" not in said and "/tmp" not in said
