"""A visitor of the page over HTTP, as the browser's script does it: uploads, events, their answers."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx


class Page:
    """A served page: its components and events by element."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        config = httpx.get(f"{self.url}/config", timeout=120).json()
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}
        self.ids = {c["props"]["elem_id"]: c["id"] for c in config["components"] if c["props"].get("elem_id")}
        self.events = config["dependencies"]

    def event(self, element: str, trigger: str) -> dict[str, Any]:
        """The event that calls Python when something happens to an element."""
        target = [self.ids[element], trigger]
        return next(e for e in self.events if target in e["targets"] and e["backend_fn"] and not e["cancels"])


class Visitor:
    """One open page.  values: what the form holds, by element."""

    def __init__(self, page: Page, client: httpx.Client):
        self.page, self.client = page, client
        self.session = os.urandom(6).hex()
        self.values: dict[str, Any] = {}

    def upload(self, element: str, path: Path) -> None:
        """Put a photo into a field."""
        with path.open("rb") as file:
            answer = self.client.post(f"{self.page.url}/gradio_api/upload", files={"files": (path.name, file)})
        kept = {"path": answer.raise_for_status().json()[0], "orig_name": path.name}
        self.values[element] = kept | {"meta": {"_type": "gradio.FileData"}}

    def happen(self, element: str, trigger: str) -> list[dict[str, Any]]:
        """Let something happen; returns the messages until the event has ended."""
        event = self.page.event(element, trigger)
        mine = {self.page.ids[name]: value for name, value in self.values.items()}
        data = [mine.get(number, self.page.values.get(number)) for number in event["inputs"]]
        body = {"data": data, "fn_index": event["id"], "session_hash": self.session, "event_data": None}
        joined = self.client.post(f"{self.page.url}/gradio_api/queue/join", json=body).raise_for_status().json()
        messages = []
        address, query = f"{self.page.url}/gradio_api/queue/data", {"session_hash": self.session}
        with self.client.stream("GET", address, params=query) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message.get("event_id") in (None, joined["event_id"]):
                    messages.append(message)
                if message["msg"] in ("process_completed", "close_stream"):
                    break
        return messages

    def file(self, messages: list[dict[str, Any]], name: str) -> bytes:
        """The last file of a name among the answers of an event."""
        paths = re.findall(rf'"path": "([^"]*/{re.escape(name)})"', json.dumps(messages))
        return self.client.get(f"{self.page.url}/gradio_api/file={paths[-1]}").raise_for_status().content
