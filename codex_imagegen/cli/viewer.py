"""Show the written pictures: drawn on the terminal (``--show``), or in the system's viewer (``--open``).

An error here never fails the command.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.platform import processes, system
from codex_imagegen.request import STDOUT
from codex_imagegen.results import Warning_

if TYPE_CHECKING:
    import subprocess

    from codex_imagegen.results import Image, Result
    from codex_imagegen.terminal_image.terminal import Terminal


MAX_OPENED = 20
"""Pictures that are opened at once: each may be a window of its own."""
_EXPLORER = "explorer.exe"
"""Windows' own; it ends with 1 although it has opened a file."""
_FAILURE_SEC = 1.0
"""Seconds in which a program that can't open a file should have ended; a viewer may go on until it is closed."""


_NAME_END, _MIN_NAME = 8, 12
"""The characters at the end of a file name that are kept, and the columns in which it is still worth cutting."""


def picture_line(image: Image, columns: int, *, elapsed_sec: float | None = None, cost_usd: float | None = None) -> str:
    """A picture on one line: name, width and height in pixels, size, seconds, cost. A long name is cut to ``columns``.

    The name's end is kept: its number and its suffix are there.
    """
    cells = [f"{image.width}×{image.height}", render.size(image.bytes)]
    cells += [] if elapsed_sec is None else [f"{elapsed_sec:.0f} s"]
    cells += [] if cost_usd is None else [render.cost(cost_usd)]
    name, rest = (
        "stdout" if image.path == STDOUT else render.one_line(os.path.basename(image.path)),
        "".join(f"  {cell}" for cell in cells),
    )
    room = columns - render.width(rest)
    if render.width(name) > room > _MIN_NAME:
        end = name[-_NAME_END:]
        name = render.cut(name, room - render.width(end)) + end
    return name + rest


def draw_images(images: Iterable[Image], *, captions: bool = True) -> Iterator[str | Warning_]:
    """Yield a drawing of each picture that was written to a file; with ``captions``, its name and size are under it.

    Nothing is drawn if stdout is not a terminal, so that ``--show`` has no effect in a script. A picture that can't be
    drawn ends it with a warning.
    """
    if sys.stdout is None or not sys.stdout.isatty():
        return
    dumb, terminal = os.environ.get("TERM", "dumb") == "dumb", None
    for image in images:
        if not os.path.isfile(image.path):  # stdout, a pipe or a device
            continue
        try:
            if not dumb:
                terminal = terminal or _terminal()
            drawing = _draw(image, terminal) if terminal else ""
        except Exception as error:  # noqa: BLE001 - the picture is on disk: showing it must not fail
            yield Warning_("not-shown", f"the picture can't be shown here: {type(error).__name__}: {error}")
            return
        if text := f"{drawing}{_caption(image)}" if captions else drawing.removesuffix("\n"):
            yield text


def _terminal() -> Terminal:
    from codex_imagegen.platform import terminals
    from codex_imagegen.terminal_image import terminal

    with contextlib.suppress(OSError):
        descriptor = terminals.open_terminal()
        try:
            return terminal.detect_terminal(descriptor)
        finally:
            os.close(descriptor)
    return terminal.Terminal()


def _draw(image: Image, terminal: Terminal) -> str:
    """Return the picture as text for this terminal."""
    from codex_imagegen.images.decode import open_image
    from codex_imagegen.terminal_image.draw import draw

    with open(image.path, "rb") as file, open_image(file.read()) as (pixels, _kind):
        drawing = draw(pixels, terminal, colours=not os.environ.get("NO_COLOR"))
    drawing.encode(sys.stdout.encoding or "ascii")
    return drawing


def _caption(image: Image) -> str:
    name = render.one_line(os.path.basename(image.path))
    return f"{name}  {image.width} × {image.height}  {render.size(image.bytes)}"


def open_result(result: Result) -> Result:
    """Open the pictures of a result in the system's viewer; returns the result, with a warning where that fails."""
    return replace(result, warnings=(*result.warnings, *open_images(result.images)))


def open_images(images: Iterable[Image]) -> Iterator[Warning_]:
    """Open the pictures that were written to files in the system's viewer; yield a warning where that fails."""
    paths = [image.path for image in images if os.path.isfile(image.path)]  # not stdout, and no device
    problem = open_files(paths[:MAX_OPENED]) if paths else None
    noun = "picture" if len(paths) == 1 else "pictures"
    if problem:
        hint = "; --show draws it in the terminal" if len(paths) == 1 and not _has_display() else ""
        yield Warning_("not-opened", f"the {noun} can't be opened here: {problem}{hint}")
    elif len(paths) > MAX_OPENED:
        yield Warning_("not-opened", f"only the first {MAX_OPENED} of {len(paths):,} pictures were opened")


def open_files(paths: Sequence[str]) -> str | None:
    """Open files in the programs that the user prefers for them; returns why that failed, or None.

    The paths are absolute, so that none is taken for an option. What the programs print is discarded, and they go on
    when this program has ended.
    """
    import shutil
    import subprocess

    if not _has_display():
        return "there is no display (DISPLAY and WAYLAND_DISPLAY are not set)"
    openers = system.file_openers()
    found = next(((path, *rest) for name, *rest in openers if (path := shutil.which(name))), None)
    if found is None:
        return f"no {' or '.join(opener[0] for opener in openers)} is on PATH"
    name = os.path.basename(found[0])
    try:
        started = [processes.start_detached(command) for command in _commands(found, paths)]
    except (OSError, subprocess.SubprocessError) as error:
        return f"{name} can't be started: {error}"
    return f"{name} failed" if name != _EXPLORER and _has_failed(started) else None


def _commands(opener: tuple[str, ...], paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The command lines that open the files: one for all where the program takes several."""
    name = os.path.basename(opener[0])
    if name in {"open", "gio"}:
        yield (*opener, *paths)
        return
    for path in paths:
        yield (*opener, _windows_path(path) if name == _EXPLORER else path)


def _windows_path(path: str) -> str:
    import subprocess

    done = subprocess.run(["wslpath", "-w", path], capture_output=True, check=True, timeout=10)  # noqa: S607
    return os.fsdecode(done.stdout).rstrip("\r\n")


def _has_failed(started: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Wait a moment for programs that end, and return whether one of them failed."""
    import subprocess

    end = time.monotonic() + _FAILURE_SEC
    for process in started:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(max(0.0, end - time.monotonic())) != 0:
                return True
    return False


def _has_display() -> bool:
    return system.has_display(os.environ)
