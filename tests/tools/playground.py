"""A playground to try the program as a new agent would: the real Codex, a fake OpenAI, and no network.

::

    python -m tests.tools.playground [--minutes 30] [--folder DIR]

makes a folder, prints the command by which a shell enters it (``. DIR/env``), and serves it until the time is over or
a signal arrives; the folder stays for inspection. In that shell HOME, CODEX_HOME and the temporary folder are the
playground's own, ``codex-imagegen`` and ``codex`` are on PATH, nothing leaves the machine, and the working folder holds
two references, ``cat.png`` and ``hat.png``. The back end responds with:

- a picture after 5 s, with the prompt written on it, and its references in their order at the bottom;
- a moderation refusal where the prompt has the word ``zombie``;
- the plan's limit for pictures where it has the word ``galaxy``;
- a picture that takes 150 s where it has the word ``cathedral``.

``DIR/requests`` has a JSON line for each requested picture: the prompt, and the number of references.
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

from codex_imagegen.demo import sandbox
from codex_imagegen.demo.drawing import SIDE, draw
from codex_imagegen.demo.fake_openai import Call, Reply, images_reply
from tests.support import builds
from tests.support.lab import COMMAND, Lab
from tests.support.scripts import BlocksPicture, Draws, PictureLimit

DRAW_SEC, LONG_SEC = 5, 150
REFUSED, LIMITED, LONG = "zombie", "galaxy", "cathedral"
MAX_MINUTES = 240
_STRIP = SIDE // 4
_REMOVED_VARIABLES = (
    "OPENAI_API_KEY", "CODEX_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR", "CLAUDE_CONFIG_DIR",
    "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME",
)  # fmt: skip


class Backend(Draws):
    """The back end: words in the prompt select what it does."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log, self._lock = log, threading.Lock()

    def picture(self, call: Call) -> Reply:
        prompt, references = str(call.json["prompt"]), list(call.json.get("images", ()))
        self._log_request(prompt=prompt, references=len(references))
        words = prompt.lower()
        time.sleep(LONG_SEC if LONG in words else DRAW_SEC)
        if REFUSED in words:
            return BlocksPicture().picture(call)
        if LIMITED in words:
            return PictureLimit().picture(call)
        images = [_image(reference["image_url"]) for reference in references]
        return images_reply([draw_picture(prompt, next(self._count), images)])

    def _log_request(self, **fields: Any) -> None:
        with self._lock, self._log.open("a", encoding="utf-8") as file:
            print(json.dumps({"at": time.strftime("%H:%M:%S"), **fields}, ensure_ascii=False), file=file)


def draw_picture(prompt: str, number: int, references: list[Image.Image]) -> bytes:
    """Draw hills that differ by number, with the prompt on them and a strip of numbered references."""
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


def prepare(world: Lab) -> Path:
    """Put the commands on a PATH, and two pictures into the working folder; return the file that a shell sources."""
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
    unreachable = {
        "RUNCOMFY_MODEL_API_BASE": f"{sandbox.UNREACHABLE_URL}/v1",
        "RUNCOMFY_WEB_BASE": sandbox.UNREACHABLE_URL,
    }
    variables = {**world.environment, **unreachable}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if name != "PATH"]
    lines += [f'export PATH={shlex.quote(str(folder / "bin"))}:"$PATH"', f"cd {shlex.quote(str(world.work))}"]
    lines += [f"unset {' '.join(_REMOVED_VARIABLES)}", ""]
    (folder / "env").write_text("\n".join(lines))
    return folder / "env"


def main() -> int:
    """Serve a playground; exit with 0 when its time is over."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.playground", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=30, help=f"how long to serve, at most {MAX_MINUTES} [30]")
    parser.add_argument("--folder", type=Path, help="a new folder [one in the temporary folder]")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="codex-imagegen-playground-"))
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda _signum, _frame: ended.set())
    with Lab(folder.resolve(), script=Backend(folder.resolve() / "requests")) as world:
        print(f". {prepare(world)}", flush=True)
        ended.wait(min(given.minutes, MAX_MINUTES) * 60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
