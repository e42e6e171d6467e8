"""Measures complete runs from outside: wall time, memory, and the requests to the back end."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.fake_openai import Script
from tests.support import builds
from tests.support.lab import COMMAND, Lab

PROMPT = "a red fox in the snow, in the style of a woodcut"
PICTURE_BYTES = 1_500_000


class Timed(Script):
    """Draws after a delay: a PNG of about 1.5 MB, made beforehand."""

    def __init__(self, draw_sec: float, closing_sec: float) -> None:
        self.draw_sec, self.closing_sec = draw_sec, closing_sec
        self.picture_bytes = picture()

    def draw(self, prompt: str) -> bytes:
        return self.picture_bytes


def picture(size: int = PICTURE_BYTES) -> bytes:
    """A PNG of 1254 × 1254 pixels and about ``size`` bytes: a landscape with noise over part of it."""
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(draw(PROMPT)))
    rows = min(image.height, round(size / (3 * image.width) * 0.97))
    noise = Image.frombytes("RGB", (image.width, rows), os.urandom(3 * image.width * rows))
    image.paste(noise, (0, 0))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


# a small separate process: a child's peak memory starts at that of its parent
_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
nothing = os.open(os.devnull, os.O_WRONLY)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, nothing, 1), (os.POSIX_SPAWN_DUP2, nothing, 2)])
status, usage = os.wait4(child, 0)[1:]
print(os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_maxrss)
"""


@dataclass(frozen=True)
class Figures:
    """One run: seconds, model calls, bytes uploaded, bytes of the first request, HTTP requests, peak MB."""

    wall: float
    calls: int
    uploaded: int
    first: int
    requests: int
    memory: float


def ours(lab: Lab, out: Path) -> list[str]:
    return [COMMAND, "--prompt", PROMPT, "--out", str(out), "--codex", str(builds.codex(lab.version)), "--force"]


def bare(lab: Lab, *settings: str) -> list[str]:
    """The command that wrappers and users run: everything else is Codex's default."""
    line = [str(builds.codex(lab.version)), "exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"]
    return [*line, "--enable", "image_generation", *(word for setting in settings for word in ("-c", setting))]


def measure(lab: Lab, argv: Sequence[str], stdin: bytes = b"") -> Figures:
    """Run a command once; the memory is the peak of the largest process."""
    lab.standin.calls.clear()
    launched = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *argv], input=stdin, stdout=subprocess.PIPE, cwd=lab.work,
        env=lab.environment, check=True,
    )  # fmt: skip
    code, wall, memory = launched.stdout.split()
    assert int(code) == 0, argv
    turns = lab.standin.calls_to("/responses")
    return Figures(
        wall=float(wall),
        calls=len(turns),
        uploaded=sum(call.size for call in lab.standin.calls),
        first=len(turns[0].body),
        requests=len(lab.standin.calls),
        memory=float(memory) / 1024,
    )


def paired(rounds: int, one: Callable[[], Figures], other: Callable[[], Figures]) -> list[tuple[Figures, Figures]]:
    """Measure both alternately, after one uncounted round of each to warm up their homes."""
    one(), other()
    return [(one(), other()) for _ in range(rounds)]


def table(title: str, pairs: Sequence[tuple[Figures, Figures]]) -> Iterator[str]:
    """A Markdown table of medians and of the median of the ratios."""
    yield f"\n{title} ({len(pairs)} rounds)\n"
    yield "| | codex-imagegen | codex exec | ratio |"
    yield "|---|---|---|---|"
    rows = (
        ("wall, s", "wall", "{:.2f}"),
        ("model calls", "calls", "{:.0f}"),
        ("bytes uploaded", "uploaded", "{:,.0f}"),
        ("first request, bytes", "first", "{:,.0f}"),
        ("HTTP requests", "requests", "{:.0f}"),
        ("peak memory, MB", "memory", "{:.0f}"),
    )
    for name, key, form in rows:
        left = [getattr(a, key) for a, _ in pairs]
        right = [getattr(b, key) for _, b in pairs]
        ratio = statistics.median(a / b for a, b in zip(left, right, strict=True))
        shown = [form.format(statistics.median(side)) for side in (left, right)]
        yield f"| {name} | {shown[0]} | {shown[1]} | {ratio:.3f} |"


@contextmanager
def lab(script: Script, *, version: str = builds.NEWEST) -> Iterator[Lab]:
    """A lab in a temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="codex-imagegen-bench-") as folder,
        Lab(Path(folder), version, script=script) as world,
    ):
        yield world
