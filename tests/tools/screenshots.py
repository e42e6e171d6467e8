"""Screenshots for the README: ``python -m tests.tools.screenshots`` writes them into fixtures/readme.

They show real output of the installed program, run with the real Codex and the fake OpenAI; only the folder's name is
replaced. Needs Chromium, which renders the terminal's text and the gallery's page.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.support import terminal
from tests.support.chromium import browser
from tests.support.lab import COMMAND, Lab

TARGET = Path(__file__).parents[2] / "fixtures" / "readme"
HOME = "/home/me"
COLUMNS, ROWS = 84, 26
WINDOW = terminal.Kind(terminal.XTERM.name, terminal.XTERM.attributes, pixels=(COLUMNS * 9, ROWS * 18))
SCENES = (
    ("--prompt", "hills at the end of the day", "--out", "hills.png", "--show"),
    ("--prompt", "at dawn", "--ref", "hills.png", "--size", "1536x1024", "--out", "dawn.png"),
    ("--prompt", "by night", "--ref", "hills.jpg", "--out", "night.png"),
)
GALLERY = tuple(f"hills {word}" for word in ("at dawn", "in the fog", "after rain", "in June", "by night", "in spring"))
_PAGE = """<style>
body {{ margin: 0; background: #16161c; color: #d8d8d8 }}
pre {{ margin: 0; padding: 18px 22px; font: 15px/18px "DejaVu Sans Mono" }}
</style>"""
_LINE = 18
_MARGIN = 18


def main() -> int:
    """Take the screenshots."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as world:
        page = terminal_page(world)
        (world.tmp / "terminal.html").write_text(page)
        lines = page.count("\n") - _PAGE.count("\n") - 1
        take_screenshot(world.tmp / "terminal.html", TARGET / "terminal.png", 790, lines * _LINE + 2 * _MARGIN)
        for prompt in GALLERY:
            world.run("--prompt", prompt, "--out", f"{prompt}.png")
        world.run_argv([COMMAND, "gallery", "--out", "gallery.html"])
        take_screenshot(world.work / "gallery.html", TARGET / "gallery.png", 1100, 640, colours=256)
    return 0


def terminal_page(world: Lab) -> str:
    """A terminal session as an HTML page."""
    console = Console(record=True, width=COLUMNS, file=(world.tmp / "unseen").open("w"), force_terminal=True)
    for scene in SCENES:
        words = " ".join(f'"{word}"' if " " in word else word for word in ("codex-imagegen", *scene))
        console.print(Text.assemble(("$ ", "bold #7fd962"), (words, "bold")))
        console.print(Text.from_ansi(terminal_output(world, scene)))
    return console.export_html(theme=MONOKAI, inline_styles=True, code_format=_PAGE + "<pre>{code}</pre>")


def terminal_output(world: Lab, arguments: tuple[str, ...]) -> str:
    """What the program leaves on a terminal, without its progress line, which it erases itself."""
    line = world.argv(*arguments)
    shell = ["/bin/sh", "-c", 'errors=$1; shift; "$@" 2>"$errors"; cat "$errors"', "sh", str(world.tmp / "errors")]
    session = terminal.run(
        WINDOW, [*shell, *line], env={**world.environment, "TERM": "xterm-256color"}, columns=COLUMNS,
        rows=ROWS, cwd=world.work,
    )  # fmt: skip
    text = session.shown.decode().replace(str(world.work), HOME)
    return re.sub(r"\x1b\[\?25[lh]", "", text).rstrip("\n") + "\n"


def take_screenshot(page: Path, target: Path, width: int, height: int, colours: int | None = None) -> None:
    """Take a screenshot of a page once its images are loaded; fewer ``colours`` make a smaller file."""
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as running:
        shown = running.new_page(viewport={"width": width, "height": height})
        shown.goto(page.as_uri())
        loaded = "[...document.images].every((image) => image.complete && image.naturalWidth)"
        for _ in range(100):
            if shown.evaluate(loaded):  # through the debugger: the page's content security policy forbids it
                break
            shown.wait_for_timeout(50)
        shown.screenshot(path=target)
    with Image.open(target) as image:
        plain = image.convert("RGB")
        (plain.quantize(colours) if colours else plain).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
