"""A fake Codex: the command line, event stream and rollout format of the newest build.

It draws the picture itself, spends nothing and opens no connection. It is for ``codex-imagegen demo`` and load tests,
and says nothing about the real Codex.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

VERSION = "0.169.0"
"""The build whose record format it writes."""

SIDE_VARIABLE = "CODEX_IMAGEGEN_FAKE_CODEX_SIDE"
"""An environment variable with the side of the picture in pixels, for load tests that need many small pictures."""


def main(argv: Sequence[str] | None = None) -> None:
    """Draw one picture of the prompt on stdin, as ``codex exec --json -C FOLDER …`` would."""
    from codex_imagegen.demo.drawing import SIDE, draw

    arguments = list(sys.argv[1:] if argv is None else argv)
    folder = arguments[arguments.index("-C") + 1] if "-C" in arguments else os.getcwd()
    sys.stderr.write("Reading prompt from stdin...\n")  # as the real Codex does; the run sends the prompt then
    sys.stderr.flush()
    prompt = sys.stdin.buffer.read().decode(errors="replace")
    thread = _uuid7()
    rollout = _open_rollout(thread)
    with open(rollout, "a", encoding="ascii") as file:
        record = _writer(file.write, file.flush)
        record("session_meta", {"id": thread, "cwd": folder, "originator": "codex_exec", "cli_version": VERSION})
        _print_event({"type": "thread.started", "thread_id": thread})
        _print_event({"type": "turn.started"})
        record("response_item", _message(prompt))
        record("response_item", _call(prompt))
        picture = draw(prompt, side=int(os.environ.get(SIDE_VARIABLE) or SIDE))
        record("event_msg", {"type": "item_completed", "thread_id": thread, "item": _item(thread, prompt, picture)})
        record("event_msg", {"type": "task_complete", "last_agent_message": None})
    _print_event({"type": "turn.completed", "usage": {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}})


def _item(thread: str, prompt: str, picture: bytes) -> dict[str, object]:
    folder = os.path.join(_home(), "generated_images", thread)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "call_1.png")
    with open(path, "wb") as file:
        file.write(picture)
    return {
        "type": "Extension", "kind": "image_gen.generation", "id": "call_1", "status": "completed",
        "revisedPrompt": prompt, "result": base64.b64encode(picture).decode(), "savedPath": path,
    }  # fmt: skip


def _call(prompt: str) -> dict[str, object]:
    arguments = json.dumps({"prompt": prompt})
    return {
        "type": "function_call", "namespace": "image_gen", "name": "imagegen", "call_id": "call_1",
        "arguments": arguments,
    }  # fmt: skip


def _message(prompt: str) -> dict[str, object]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}


def _writer(write: Callable[[str], object], flush: Callable[[], None]) -> Callable[[str, dict[str, object]], None]:
    def record(kind: str, payload: dict[str, object]) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        write(json.dumps({"timestamp": stamp, "type": kind, "payload": payload}, separators=(",", ":")) + "\n")
        flush()

    return record


def _open_rollout(thread: str) -> str:
    now = time.localtime()
    folder = os.path.join(_home(), "sessions", time.strftime("%Y/%m/%d", now))
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, time.strftime(f"rollout-%Y-%m-%dT%H-%M-%S-{thread}.jsonl", now))


def _home() -> str:
    return os.environ.get("CODEX_HOME") or os.path.expanduser("~/.codex")


def _print_event(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _uuid7() -> str:
    """A thread id in Codex's format: a UUID of version 7, which begins with the milliseconds since 1970."""
    value = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) & ~(0x3 << 62) | (0x7 << 76) | (0x2 << 62)
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


if __name__ == "__main__":
    main()
