"""``--show``: draw the written pictures on the terminal; an error here never fails the command."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.results import Warning_

if TYPE_CHECKING:
    from codex_imagegen.results import Image
    from codex_imagegen.terminal_image.terminal import Terminal


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
