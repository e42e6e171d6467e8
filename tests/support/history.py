"""Writes Codex sessions: records in the newest format, complete or torn, in the folders where Codex keeps them."""

from __future__ import annotations

import base64
import json
import time
import uuid
from pathlib import Path
from typing import Any

from codex_imagegen.codex.run.command import INSTRUCTIONS

Record = dict[str, Any]
PROMPT = "a red fox in the snow"


def new_thread_id(at: float | None = None) -> str:
    """A thread id as Codex makes it: a UUID of version 7, which holds the time of its start (Unix seconds)."""
    millis = int((time.time() if at is None else at) * 1000)
    value = millis << 80 | 7 << 76 | uuid.uuid4().int & ((1 << 76) - 1)
    return str(uuid.UUID(int=value & ~(3 << 62) | 2 << 62))


def session_meta(thread_id: str, **more: Any) -> Record:
    return {"type": "session_meta", "payload": {"id": thread_id, "cwd": "/x", "cli_version": "0.169.0", **more}}


def user_message(prompt: str = PROMPT) -> Record:
    item = {"type": "UserMessage", "id": "u", "content": [{"type": "text", "text": prompt}]}
    return {"type": "event_msg", "payload": {"type": "item_completed", "item": item}}


def user_image(data: bytes, prompt: str = PROMPT) -> Record:
    """A user's message with a reference."""
    content = [{"type": "input_image", "image_url": data_url(data)}, {"type": "input_text", "text": prompt}]
    return {"type": "response_item", "payload": {"type": "message", "role": "user", "content": content}}


def generated_image(data: bytes | str | None, *, call_id: str = "call_1", **more: Any) -> Record:
    result = base64.b64encode(data).decode() if isinstance(data, bytes) else data
    item = {
        "type": "Extension", "kind": "image_gen.generation", "id": call_id, "status": "completed",
        "revisedPrompt": f"{PROMPT}, revised", "result": result, **more,
    }  # fmt: skip
    return {"type": "event_msg", "payload": {"type": "item_completed", "item": item}}


def developer_message(text: str = INSTRUCTIONS) -> Record:
    """A developer message to the model."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "response_item", "payload": {"type": "message", "role": "developer", "content": content}}


def function_call(name: str, call_id: str = "call_1") -> Record:
    payload = {"type": "function_call", "name": name, "call_id": call_id, "arguments": "{}"}
    return {"type": "response_item", "payload": payload}


def function_output(data: bytes, call_id: str = "call_1") -> Record:
    """A tool's output with a picture."""
    output = [{"type": "input_image", "image_url": data_url(data)}]
    return {"type": "response_item", "payload": {"type": "function_call_output", "call_id": call_id, "output": output}}


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def rollout_line(record: Record, at: float = 1767225600.0) -> bytes:
    """A record as a rollout line, written ``at`` a Unix time; the default is 2026-01-01."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03}Z"
    return json.dumps({"timestamp": stamp, **record}, separators=(",", ":")).encode()


class History:
    """Writes past sessions into a Codex home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)

    def rollout(
        self,
        *records: Record,
        thread_id: str | None = None,
        at: float | None = None,
        days_off: int = 0,
        archived: bool = False,
        end: bytes = b"\n",
    ) -> Path:
        """Write a rollout of these records, all with the time ``at``; ``days_off`` moves it to another day's folder."""
        written = {} if at is None else {"at": at}
        at = time.time() if at is None else at
        thread_id = thread_id or new_thread_id(at)
        day = time.localtime(at + days_off * 86_400)
        folder = "archived_sessions" if archived else time.strftime("sessions/%Y/%m/%d", day)
        path = self.home / folder / time.strftime(f"rollout-%Y-%m-%dT%H-%M-%S-{thread_id}.jsonl", time.localtime(at))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            b"\n".join(rollout_line(record, **written) for record in (session_meta(thread_id), *records)) + end
        )
        return path

    def saved(self, thread_id: str, *pictures: bytes) -> Path:
        """Write the thread's folder of pictures."""
        folder = self.home / "generated_images" / thread_id
        folder.mkdir(parents=True)
        for number, data in enumerate(pictures, 1):
            (folder / f"call_{number}.png").write_bytes(data)
        return folder


def thread_of(rollout: Path) -> str:
    return rollout.name.removesuffix(".zst").removesuffix(".jsonl")[-36:]
