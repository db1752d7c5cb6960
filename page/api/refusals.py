"""Errors that arise in Gradio and the web server, before a request reaches the page: a sentence instead of their own
words, which name places on this machine.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from gradio import queueing, utils
from gradio.exceptions import InvalidPathError

from ..gpu import UNKNOWN
from ..language import Page
from .missing import Completing

FORM = "The request is not in the form that is expected. 'Use via API' at the foot of the page lists all parameters."
FOREIGN = "The file was not uploaded to this page. Upload it first, then give its place on the server."
ADDRESS = "The address cannot be opened from here. Give a public one, or upload the file itself."
_DOWNLOADS = ("safehttpx", "httpx", "httpx2", "httpcore", "ipaddress")
log = logging.getLogger("barbershop")


def sentence(error: BaseException | None) -> str:
    """What to answer to an error that no handler of the page has explained."""
    if isinstance(error, gr.Error):
        return str(error.message)
    if isinstance(error, InvalidPathError):
        return FOREIGN
    modules = _modules(error)
    if any(name.partition(".")[0] in _DOWNLOADS for name in modules):
        return ADDRESS
    if any(name.partition(".")[0] in ("page", "barbershop_core") for name in modules):
        log.error("unexpected error", exc_info=error)
        return UNKNOWN
    return FORM


def _modules(error: BaseException | None) -> list[str]:
    """Names of the modules that an error came through; all come through the page's Blocks, which says nothing."""
    trace, found = getattr(error, "__traceback__", None), []
    while trace is not None:
        found.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return [name for name in found if name not in (Page.__module__, Completing.__module__)]


def _payload(error: BaseException | None, show_error: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"error": sentence(error), "visible": True}
    if isinstance(error, gr.Error):
        content |= {"duration": error.duration, "visible": error.visible, "title": error.title}
    return content


class _Log:
    """Stands for the module traceback in Gradio's queue: nothing that visitors sent is to appear in the log."""

    @staticmethod
    def print_exc() -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, gr.Error):
            log.warning("a request was refused (%s)", type(error).__name__)


def install() -> None:
    """Let Gradio answer with these sentences."""
    queueing.error_payload = utils.error_payload = _payload
    queueing.traceback = _Log


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": FORM}, 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": FORM if isinstance(error, (RecursionError, ValueError)) else UNKNOWN}, 400)


APP = {"exception_handlers": {RequestValidationError: _malformed, RecursionError: _failed, Exception: _failed}}
"""For ``launch(app_kwargs=...)``: the same for requests that Gradio cannot read."""
