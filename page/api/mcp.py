"""What Gradio's MCP server needs for endpoints that return several things."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from gradio.mcp import GradioMCPServer


def show_every_output() -> None:
    """Let a tool's outputs be shown one by one to clients that ask for no progress.

    Gradio (6.31) takes the outputs of such a call for one and answers with their Python text instead of pictures.
    """
    GradioMCPServer._execute_tool_without_progress = _outputs


async def _outputs(server: GradioMCPServer, job: Any) -> list[Any]:
    result = await run_sync(job.result)
    return list(result) if isinstance(result, (list, tuple)) else [result]
