"""How fast a large rollout is read, compared with ``json.loads`` on each line; and how soon a picture is delivered."""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from codex_imagegen.codex.sessions import rollout
from codex_imagegen.codex.sessions.tail import Tail
from tests.support.lab import Lab
from tests.tools.bench import pairs

LARGE, LARGE_LINES, SMALL_LINE = 26_000_000, 4, 20_000


def large_rollout(path: Path) -> None:
    """Write 137 MB: four references of 26 MB, 33 MB of small records, and one picture of 2 MB."""
    reference = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + os.urandom(LARGE * 3 // 4)).decode()
    made = base64.b64encode(pairs.picture(2_000_000)).decode()
    with path.open("w") as file:

        def record(kind: str, payload: object) -> None:
            file.write(json.dumps({"timestamp": "2026-11-21T00:00:00.000Z", "type": kind, "payload": payload},
                                  separators=(",", ":")) + "\n")  # fmt: skip

        for _ in range(LARGE_LINES):
            content = [{"type": "input_image", "image_url": reference}]
            record("response_item", {"type": "message", "role": "user", "content": content})
        while file.on_event() < LARGE_LINES * LARGE + 30_000_000:
            text = "words " * (SMALL_LINE // 6)
            record("response_item", {"type": "reasoning", "summary": [], "content": text})
            record("event_msg", {"type": "agent_message", "message": text})
        item = {"type": "Extension", "kind": "image_gen.generation", "id": "x", "status": "completed", "result": made}
        record("event_msg", {"type": "item_completed", "item": item})


def read_ours(path: str) -> int:
    """Read with this program's reader; return the number of pictures."""
    records, tail = rollout.RecordReader(), Tail(path, 0, rollout.is_relevant)
    found = sum(len(records.read(line)) for line in tail.lines())
    tail.close()
    return found


def read_naively(path: str) -> int:
    """The same with json.loads on each line."""
    found = 0
    with open(path, "rb") as file:
        for line in file:
            payload = json.loads(line)["payload"]
            found += payload.get("type") == "item_completed"
    return found


def reading(rounds: int) -> Iterator[str]:
    """Measure each reader in a process of its own, because of its memory."""
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-bench-") as folder:
        path = Path(folder) / "rollout.jsonl"
        large_rollout(path)
        runs = [(_timed("read_ours", path), _timed("read_naively", path)) for _ in range(rounds)]
        megabytes = path.stat().st_size / 1e6
    ratio = statistics.median(a[0] / b[0] for a, b in runs)
    seconds = [statistics.median(side) for side in zip(*((a[0], b[0]) for a, b in runs), strict=True)]
    peak = statistics.median(a[1] for a, _ in runs)
    yield (
        f"\nReading {megabytes:.0f} MB: {seconds[0]:.3f} s, json.loads {seconds[1]:.3f} s, ratio {ratio:.2f}; "
        f"peak {peak:.0f} MB, of which the empty interpreter {_timed('nothing', path)[1]:.0f} MB"
    )


def nothing(_path: str) -> int:
    """Do nothing, to measure an interpreter with these modules."""
    return 0


def _timed(function: str, path: Path) -> tuple[float, float]:
    code = (
        "import re, time; from tests.tools.bench import reading\n"
        f"began = time.perf_counter(); reading.{function}({str(path)!r}); wall = time.perf_counter() - began\n"
        "print(wall, int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    wall, peak = done.stdout.split()
    return float(wall), float(peak)


def delivery(rounds: int) -> Iterator[str]:
    """Measure the time from the record on disk to the picture at --out, and the decoding within it."""
    from codex_imagegen.images.decode import decode_picture

    data = pairs.picture(2_000_000)
    decode_picture(data)
    decode = statistics.median(_seconds(lambda: decode_picture(data)) for _ in range(5))
    with pairs.lab(pairs.Timed(1, 5)) as lab:
        lab.standin.script.picture_bytes = data  # type: ignore[attr-defined]
        spans = [_delivery_sec(lab) for _ in range(rounds + 1)][1:]
    span = statistics.median(spans)
    yield (
        f"\nDelivery of {len(data) / 1e6:.1f} MB: {span * 1000:.0f} ms from the record on disk to the picture at "
        f"--out, of which {decode * 1000:.0f} ms are the decode; the rest {1000 * (span - decode):.0f} ms"
    )


def _delivery_sec(lab: Lab) -> float:
    """Seconds between the rollout's last growth by a large record and the picture's appearance."""
    out = lab.work / f"{time.monotonic_ns()}.png"
    process = subprocess.Popen(pairs.ours(lab, out), cwd=lab.work, env=lab.environment, stdout=subprocess.DEVNULL)
    before, recorded, seen = set(lab.rollouts()), None, None
    while process.poll() is None or seen is None:
        now = time.perf_counter()
        if recorded is None:
            fresh = [path for path in lab.rollouts() if path not in before]
            if fresh and fresh[0].stat().st_size > 2_000_000 and _ends_with_line(fresh[0]):
                recorded = now
        if seen is None and out.exists():
            seen = now
            break
        time.sleep(0.0005)
    process.wait()
    assert seen is not None
    return max(0.0, seen - (recorded if recorded is not None else seen))


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
