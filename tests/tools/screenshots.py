"""The pictures of README.md and docs/: ``python -m tests.tools.screenshots`` writes them into fixtures/readme.

They show real output of the installed program, run with the real Codex and the fake OpenAI; only the folder's name is
replaced. Needs Chromium, which renders the terminal's text and the gallery's page.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from codex_imagegen.demo.drawing import draw
from tests.support import terminal
from tests.support.chromium import browser
from tests.support.lab import COMMAND, Lab

TARGET = Path(__file__).parents[2] / "fixtures" / "readme"
HOME = "/home/me"
COLUMNS, ROWS = 80, 24
WINDOW = terminal.Kind(terminal.XTERM.name, terminal.XTERM.attributes, pixels=(COLUMNS * 9, ROWS * 18))
SCENES = (
    ("hills at the end of the day", "--show"),
    ("the same hills at dawn", "--last", "--size", "1536x1024", "--out", "dawn.png"),
)
GALLERY = tuple(f"hills {word}" for word in ("at dawn", "in the fog", "after rain", "in June", "by night", "in spring"))
DEMO = ("hills at dawn", "hills in the evening")
BACKGROUND = "#16161c"
_PAGE = """<style>
body {{ margin: 0; background: #16161c; color: #d8d8d8 }}
pre {{ margin: 0; padding: 18px 22px; width: max-content; font: 15px/18px "DejaVu Sans Mono" }}
</style>"""
_SHOW_HOME = """document.querySelectorAll("footer p").forEach(
    (line) => { line.textContent = line.textContent.replace(/ from .*/, " from ~/.codex.") })"""


def main() -> int:
    """Take the screenshots."""
    save(demo_pictures(), "demo.png")
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as world:
        (world.tmp / "terminal.html").write_text(terminal_page(world))
        take_screenshot(world.tmp / "terminal.html", "terminal.png", width=COLUMNS * 12, part="pre")
        for prompt in GALLERY:
            world.run("--prompt", prompt, "--out", f"{prompt}.png")
        world.run_argv([COMMAND, "gallery", "--out", "gallery.html"])
        take_screenshot(world.work / "gallery.html", "gallery.png", width=1100)
    return 0


def demo_pictures() -> Image.Image:
    """Two pictures of the demo, side by side."""
    side = 480
    both = Image.new("RGB", (2 * side, side))
    for number, prompt in enumerate(DEMO):
        with Image.open(io.BytesIO(draw(prompt))) as picture:
            both.paste(picture.convert("RGB").resize((side, side)), (number * side, 0))
    return both


def terminal_page(world: Lab) -> str:
    """A terminal session as an HTML page."""
    console = Console(record=True, width=COLUMNS, file=(world.tmp / "unseen").open("w"), force_terminal=True)
    for scene in SCENES:
        words = " ".join(f'"{word}"' if " " in word else word for word in ("codex-imagegen", *scene))
        console.print(Text.assemble(("$ ", "bold #7fd962"), (words, "bold")))
        console.print(Text.from_ansi(terminal_output(world, scene)))
    return console.export_html(theme=MONOKAI, inline_styles=True, code_format=_PAGE + "<pre>{code}</pre>")


def terminal_output(world: Lab, arguments: tuple[str, ...]) -> str:
    """What the program leaves on a terminal: of each line what follows the status line, which it erases itself."""
    session = terminal.run(
        WINDOW, world.argv(*arguments), env={**world.environment, "TERM": "xterm-256color"}, columns=COLUMNS,
        rows=ROWS, cwd=world.work,
    )  # fmt: skip
    text = session.shown.decode().replace(str(world.work), HOME)
    lines = [line.rpartition("\r")[2] for line in text.rstrip("\n").split("\n")]
    return re.sub(r"\x1b\[(?:\?25[lh]|[KJ])", "", "\n".join(lines)) + "\n"


def take_screenshot(page: Path, name: str, *, width: int, part: str = "html") -> None:
    """Take a screenshot of a part of a page in its whole height, once its images are loaded, without scroll bars."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile), scroll_bars=False) as running:
        shown = running.new_page(viewport={"width": width, "height": 600})
        shown.goto(page.as_uri())
        loaded = "[...document.images].every((image) => image.complete && image.naturalWidth)"
        for _ in range(100):
            if shown.evaluate(loaded):  # through the debugger: the page's content security policy forbids it
                break
            shown.wait_for_timeout(50)
        shown.evaluate(_SHOW_HOME)
        taken = shown.locator(part).screenshot()
    with Image.open(io.BytesIO(taken)) as image:
        save(image.convert("RGB"), name)


def save(image: Image.Image, name: str) -> None:
    """Write a picture, and print its size."""
    image.save(TARGET / name, optimize=True)
    print(f"{name}: {(TARGET / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
