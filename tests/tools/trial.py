"""A world to try the program in as a new agent would: the real Codex, a stand-in for OpenAI, and nothing else.

::

    python -m tests.tools.trial [--minutes 30] [--folder DIR]

makes a folder, prints the line by which a shell enters it (``. DIR/env``), and serves it until the minutes are over or
a signal comes; the folder is left to be looked at. In that shell HOME, CODEX_HOME and the temporary folder are the
trial's own, ``codex-imagegen`` and ``codex`` are on PATH, nothing leaves the machine, and the working folder has two
pictures to work from, ``cat.png`` and ``hat.png``. The back end plays:

- a picture after 5 s, with the prompt written on it, and its references in their order at the foot;
- a moderation refusal where the prompt has the word ``zombie``;
- the plan's limit for pictures where it has the word ``galaxy``;
- a picture that takes 150 s where it has the word ``cathedral``.

``DIR/asked`` has a JSON line for each picture that the back end was asked for: the prompt, and how many references.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shlex
import signal
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from codex_imagegen.demo import run
from codex_imagegen.demo.drawing import SIDE, draw
from codex_imagegen.demo.fake_openai import Call, Reply, pictures
from tests.support import builds
from tests.support.lab import COMMAND, Lab
from tests.support.scripts import BlocksPicture, Draws, PictureLimit

DRAW_SEC, LONG_SEC = 5, 150
REFUSED, LIMITED, LONG = "zombie", "galaxy", "cathedral"
MAX_MINUTES = 240
_STRIP = SIDE // 4
_FORGOTTEN = (
    "OPENAI_API_KEY", "CODEX_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR", "CLAUDE_CONFIG_DIR",
    "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME",
)  # fmt: skip


class Plays(Draws):
    """The back end: what it does is in the prompt's words."""

    def __init__(self, told: Path) -> None:
        super().__init__()
        self._told, self._lock = told, threading.Lock()

    def picture(self, call: Call) -> Reply:
        prompt, references = str(call.json["prompt"]), list(call.json.get("images", ()))
        self._note(prompt=prompt, references=len(references))
        words = prompt.lower()
        time.sleep(LONG_SEC if LONG in words else DRAW_SEC)
        if REFUSED in words:
            return BlocksPicture().picture(call)
        if LIMITED in words:
            return PictureLimit().picture(call)
        return pictures([drawn(prompt, next(self._count), [_image(one["image_url"]) for one in references])])

    def _note(self, **fields: Any) -> None:
        with self._lock, self._told.open("a", encoding="utf-8") as file:
            print(json.dumps({"at": time.strftime("%H:%M:%S"), **fields}, ensure_ascii=False), file=file)


def drawn(prompt: str, number: int, references: list[Image.Image]) -> bytes:
    """Some hills, other ones for each number, with the prompt on them and a strip of numbered references."""
    with Image.open(io.BytesIO(draw(f"{prompt} {number}"))) as hills:
        image = hills.convert("RGB")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=36)
    pen.text((40, 40), textwrap.fill(prompt[:900], 60), "white", font, stroke_width=2, stroke_fill="black")
    for index, reference in enumerate(references):
        place = (index * _STRIP, SIDE - _STRIP)
        image.paste(reference.convert("RGB").resize((_STRIP, _STRIP)), place)
        pen.text(place, str(index + 1), "white", font, stroke_width=2, stroke_fill="black")
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def _image(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def furnish(world: Lab) -> Path:
    """Put the commands on a PATH, and two pictures into the working folder; gives back what a shell sources."""
    folder = world.work.parent
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "codex").symlink_to(builds.codex(world.version))
    (folder / "bin" / "codex-imagegen").symlink_to(COMMAND)
    for name, colour in (("cat", "darkorange"), ("hat", "navy")):
        image = Image.new("RGB", (640, 640), "ivory")
        pen = ImageDraw.Draw(image)
        pen.ellipse((120, 120, 520, 520), colour)
        pen.text((250, 260), name, "white", ImageFont.load_default(size=90))
        image.save(world.work / f"{name}.png")
    nowhere = {"RUNCOMFY_MODEL_API_BASE": f"{run.REFUSING}/v1", "RUNCOMFY_WEB_BASE": run.REFUSING}
    told = {**world.environment, **nowhere}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in told.items() if name != "PATH"]
    lines += [f'export PATH={shlex.quote(str(folder / "bin"))}:"$PATH"', f"cd {shlex.quote(str(world.work))}"]
    lines += [f"unset {' '.join(_FORGOTTEN)}", ""]
    (folder / "env").write_text("\n".join(lines))
    return folder / "env"


def main() -> int:
    """Serve a trial; its time is over with exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.trial", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, help=f"how long to serve, at most {MAX_MINUTES} [30]")
    parser.add_argument("--folder", type=Path, help="a new folder [one in the temporary folder]")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="codex-imagegen-trial-"))
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda _signum, _frame: ended.set())
    with Lab(folder.resolve(), script=Plays(folder.resolve() / "asked")) as world:
        print(f". {furnish(world)}", flush=True)
        ended.wait(min(given.minutes, MAX_MINUTES) * 60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
