"""``python -m tests.tools.load_gallery``: measures the gallery of a large home, and its page with many pictures.

::

    python -m tests.tools.load_gallery home [--gb 2]          # time per GB, peak memory, and a second run
    python -m tests.tools.load_gallery page [--pictures 5000] # loading, scrolling and searching in Chromium

``home`` makes rollouts in a temporary folder: each with a picture of 1.5 MB (a PNG of 1254 × 1254, as record and as the
tool's output), a reference of the same size, and as many bytes of messages, tool outputs and compacted histories.
``page`` makes small pictures, since it measures the page, and drives the tests' Chromium.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support import chromium, history
from tests.support.lab import COMMAND

SHAPES = ((1254, 1254), (1536, 1024), (1024, 1536), (1254, 1254), (1792, 1008))
WORDS = (
    "fox", "snow", "harbour", "dawn", "lighthouse", "linocut", "hills", "king", "cat", "jazz", "poster", "night",
    "rain", "neon", "lake", "mist", "oil",
)  # fmt: skip
# a small separate process: a child's peak memory starts at that of its parent
_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)[1:]
spent = usage.ru_utime + usage.ru_stime
print(os.waitstatus_to_exitcode(status), time.perf_counter() - began, spent, usage.ru_maxrss)
"""
_NATURAL = ((8, 0.5), (32, 0.3), (128, 0.16), (512, 0.08))
"""Side and share of each layer of noise, for a picture that compresses about as well as photographs."""


def main() -> int:
    """Run one of the two measurements; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("home", "page"))
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--pictures", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-gallery-") as folder:
        for line in _home(Path(folder), given.gb) if given.what == "home" else _page(Path(folder), given.pictures):
            print(line, flush=True)
    return 0


# a large home


def _home(folder: Path, gigabytes: float) -> Iterator[str]:
    there, size, count = history.History(folder / "home"), 0, 0
    pictures = [natural(number) for number in range(40)]
    while size < gigabytes * 1e9:
        # trailing bytes make each picture unique: PNG readers ignore what follows the end
        picture, reference = (one + count.to_bytes(4, "big") for one in (pictures[count % 40], pictures[-count % 40]))
        at = time.time() - 3600 * count
        size += there.rollout(*_session(picture, reference, count), at=at).stat().st_size
        count += 1
    weight = sum(map(len, pictures)) / 40e6
    yield f"a home of {size / 1e9:.2f} GB: {count} sessions, each with one picture of {weight:.2f} MB (mean)"
    for name in ("first", "second"):
        cost, answer = run(folder)
        yield (
            f"{name} time: {cost}, {answer['pictures']} pictures, {answer['bytes'] / 1e6:.0f} MB on disk "
            f"({answer['bytes'] / answer['pictures'] / 1e3:.0f} KB each)"
        )
    with_words = history.History(folder / "words")
    words = 0
    while words < gigabytes * 0.5e9:
        words += with_words.rollout(*_talk(0, 4_000_000)).stat().st_size
    cost, _answer = run(folder, home="words", out="words.html")
    yield f"{words / 1e9:.2f} GB without a picture: {cost}"


def _session(picture: bytes, reference: bytes, number: int) -> list[history.Record]:
    prompt = " ".join(random.Random(number).choices(WORDS, k=20))
    return [
        {"type": "turn_context", "payload": {"model": "gpt-6.1-sol"}},
        history.user_image(reference, prompt),
        history.user_message(prompt),
        *_talk(number, len(picture)),
        history.function_call("imagegen"),
        history.generated_image(picture),
        history.function_output(picture),
    ]


def _talk(number: int, size: int) -> Iterator[history.Record]:
    """About ``size`` bytes of other records: reasoning, messages, tool output, compacted history."""
    text = " ".join(random.Random(number).choices(WORDS, k=3000))
    for _ in range(max(1, size // (4 * len(text)))):
        yield {"type": "response_item", "payload": {"type": "reasoning", "summary": [], "content": text}}
        yield {"type": "event_msg", "payload": {"type": "agent_message", "message": text}}
        yield {
            "type": "response_item",
            "payload": {"type": "function_call_output", "call_id": "shell", "output": text},
        }
        yield {"type": "compacted", "payload": {"message": text, "replacement_history": []}}


def natural(seed: int) -> bytes:
    """A PNG of 1254 × 1254 pixels and about 1.5 MB: a landscape under layers of noise."""
    from codex_imagegen.demo.drawing import SIDE, draw

    dice = random.Random(seed)
    image = Image.open(io.BytesIO(draw(str(seed)))).convert("RGB")
    for side, share in _NATURAL:
        noise = Image.frombytes("RGB", (side, side), dice.randbytes(side * side * 3))
        image = Image.blend(image, noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC), share)
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def run(folder: Path, home: str = "home", out: str = "page.html") -> tuple[str, Any]:
    """Run the installed command once; return its cost as text, and its JSON."""
    own = {"CODEX_HOME": str(folder / home), "XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder)}
    launched = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, COMMAND, "gallery", "--out", str(folder / out), "--json"],
        env={**os.environ, **own}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    answer, figures = launched.stdout.splitlines()
    code, wall, spent, kilobytes = map(float, figures.split())
    assert code == 0, answer
    return f"{wall:.1f} s ({spent:.1f} s of processors), peak memory {kilobytes * 1.024e-3:.0f} MB", json.loads(answer)


# many pictures on a page

_SCROLL = """async (pixels) => {
  const spans = [];
  let last = performance.now();
  for (let frame = 0; frame < 200; frame++) {
    scrollBy(0, pixels);
    const now = await new Promise((done) => requestAnimationFrame(() => done(performance.now())));
    spans.push(now - last);
    last = now;
  }
  spans.sort((one, other) => one - other);
  return [spans[100], spans[190]];
}"""
_SEARCH = """async (words) => {
  const field = document.getElementById("query");
  const spans = [];
  for (let typed = 1; typed <= words.length; typed++) {
    field.value = words.slice(0, typed);
    const began = performance.now();
    field.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    spans.push(performance.now() - began);
  }
  spans.sort((one, other) => one - other);
  return [spans[spans.length >> 1], spans.at(-1)];
}"""


def _page(folder: Path, pictures: int) -> Iterator[str]:
    there, dice = history.History(folder / "home"), random.Random(7)
    for number in range(pictures):
        prompt = " ".join(dice.choices(WORDS, k=dice.randint(4, 60)))
        there.rollout(
            history.user_message(prompt), history.generated_image(_small(number, dice)), at=time.time() - 7000 * number
        )
    cost, answer = run(folder)
    size = (folder / "page.html").stat().st_size / 1e6
    yield f"{answer['pictures']} pictures: {cost}; the page has {size:.1f} MB"
    with chromium.browser(folder) as browser:
        for width, height in ((1440, 900), (390, 844)):
            yield from _browsed(browser, folder / "page.html", width, height)


def _small(number: int, dice: random.Random) -> bytes:
    wide, high = SHAPES[number % len(SHAPES)]
    target = io.BytesIO()
    image = Image.frombytes("RGB", (6, 6), dice.randbytes(108)).resize((wide // 2, high // 2), Image.Resampling.BICUBIC)
    image.save(target, "JPEG", quality=80)
    return target.getvalue()


def _browsed(browser: Any, path: Path, width: int, height: int) -> Iterator[str]:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri())
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    yield f"{width} × {height}: loaded in {loaded:.0f} ms, {_busy(session) * 1000:.0f} ms of them the main thread's"
    for pixels in (120, 900):
        began = _busy(session)
        median, late = page.evaluate(_SCROLL, pixels)
        own = (_busy(session) - began) * 1000 / 200
        yield (
            f"  scrolling {pixels} pixels a frame: {median:.1f} ms a frame (median), {late:.1f} ms (95th of 100); "
            f"of the main thread {own:.1f} ms (mean)"
        )
    page.evaluate("scrollTo(0, 0)")
    median, worst = page.evaluate(_SEARCH, "harbour dawn linocut")
    yield f"  typing a search: {median:.0f} ms a letter (median), {worst:.0f} ms (worst)"
    yield f"  tiles on the page: {page.locator('.tile').count()}"
    page.close()


def _busy(session: Any) -> float:
    """Seconds of work of the page's main thread."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


if __name__ == "__main__":
    sys.exit(main())
