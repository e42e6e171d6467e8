"""Encode a picture for a terminal, scaled to fit: kitty's protocol, iTerm2's, sixel, or half-blocks.

Sixel is DEC's format of 1984 that many terminals still have: bands of six rows, each drawn colour by colour. A byte is
a column of a band: 63 and a bit for each row that has the colour. ``!7?`` is seven of them; ``$`` goes back to the
beginning of the band for the next colour, ``-`` down to the next band.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Literal

from codex_imagegen.terminal_image.terminal import Terminal

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_COLUMNS = 80
_BELOW = 4
"""Lines that are left free for the text around the picture."""

_CHUNK = 4096
_BACKGROUND = (128, 128, 128, 255)
_SHADES = " ░▒▓█"

SIXEL_COLOURS = 128
"""Colours of a sixel picture."""

_BAND = 6
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)
_EMPTY = 63

_PRINTABLE = bytes(min(value + _EMPTY, 255) for value in range(256))


def draw(image: Image, terminal: Terminal, *, colours: bool = True) -> str:
    """The picture as text and control sequences, with a final line feed. ``colours`` only applies to blocks."""
    columns, rows = fit(image.size, terminal)
    if terminal.protocol == "blocks":
        return (
            _blocks(image, columns, rows, all_colours=terminal.is_named) if colours else _shades(image, columns, rows)
        )
    pixels = (columns * terminal.cell[0], rows * terminal.cell[1])
    image = image.convert("RGBA")
    image.thumbnail(pixels)
    if terminal.protocol == "sixel":
        return encode_sixel(_flat(image)) + "\n"
    png = io.BytesIO()
    image.save(png, "PNG")
    inline = _kitty if terminal.protocol == "kitty" else _iterm2
    return inline(png.getvalue(), columns, rows) + "\n"


def fit(size: tuple[int, int], terminal: Terminal) -> tuple[int, int]:
    """Columns and rows of the picture, with its proportions kept: never wider or higher than the terminal."""
    width, height = size
    cell_width, cell_height = terminal.cell
    columns, rows = max(1, min(terminal.columns, MAX_COLUMNS)), max(1, terminal.rows - _BELOW)
    scale = min(columns * cell_width / width, rows * cell_height / height)
    return max(1, int(width * scale / cell_width)), max(1, round(height * scale / cell_height))


def _kitty(png: bytes, columns: int, rows: int) -> str:
    """Kitty's graphics protocol: the file in chunks, shown at the cursor; q=2 asks for no answer."""
    data = base64.b64encode(png).decode()
    chunks = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    keys = [f"a=T,f=100,q=2,c={columns},r={rows},", *[""] * (len(chunks) - 1)]
    last = len(chunks) - 1
    return "".join(
        f"\x1b_G{key}m={int(number < last)};{chunk}\x1b\\"
        for number, (key, chunk) in enumerate(zip(keys, chunks, strict=True))
    )


def _iterm2(png: bytes, columns: int, rows: int) -> str:
    """iTerm2's inline images."""
    data = base64.b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};width={columns};height={rows}:{data}\x07"


def _blocks(image: Image, columns: int, rows: int, *, all_colours: bool) -> str:
    """Half-blocks, two pixels to a cell, in as many colours as the terminal has according to rich."""
    from rich.color import Color
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.style import Style

    system: Literal["auto", "truecolor"] = "truecolor" if all_colours else "auto"
    console = Console(file=io.StringIO(), force_terminal=True, width=columns + 1, color_system=system)
    if console.color_system is None:
        return _shades(image, columns, rows)
    small = _flat(image).resize((columns, rows * 2))
    lines: list[Segment] = []
    for upper, lower in _pairs(small.tobytes(), columns):
        for at in range(0, columns * 3, 3):
            style = Style(color=Color.from_rgb(*upper[at : at + 3]), bgcolor=Color.from_rgb(*lower[at : at + 3]))
            lines.append(Segment("▀", style))
        lines.append(Segment.line())
    with console.capture() as captured:
        console.print(Segments(lines), end="", soft_wrap=True)
    return captured.get()


def _shades(image: Image, columns: int, rows: int) -> str:
    """Characters for the brightness, without colours."""
    grey = _flat(image).convert("L").resize((columns, rows)).tobytes()
    shades = "".join(_SHADES[value * len(_SHADES) // 256] for value in grey)
    return "".join(shades[at : at + columns].rstrip() + "\n" for at in range(0, len(shades), columns))


def _pairs(data: bytes, columns: int) -> Iterator[tuple[bytes, bytes]]:
    step = columns * 3
    for at in range(0, len(data), 2 * step):
        yield data[at : at + step], data[at + step : at + 2 * step]


def _flat(image: Image) -> Image:
    """The picture on a grey background, on which both dark and bright pictures can be seen."""
    from PIL import Image

    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, _BACKGROUND), rgba).convert("RGB")


def encode_sixel(image: Image) -> str:
    """An RGB picture as a sixel sequence, in :data:`SIXEL_COLOURS` colours."""
    small = image.quantize(SIXEL_COLOURS)
    width, height = small.size
    palette, pixels = small.getpalette() or [], small.tobytes()
    bands = (pixels[at : at + width * _BAND] for at in range(0, width * height, width * _BAND))
    body = b"-".join(b"$".join(_band(band, width)) for band in bands)
    colours = "".join(_colour(number, palette) for number in sorted(set(pixels)))
    # 1: pixels that are not drawn are unchanged; then the aspect ratio of a pixel, and the picture's size
    return f'\x1bP0;1q"1;1;{width};{height}{colours}{body.decode("ascii")}\x1b\\'


def _colour(number: int, palette: list[int]) -> str:
    """The definition of a colour, in percent."""
    red, green, blue = (round(value * 100 / 255) for value in palette[number * 3 : number * 3 + 3])
    return f"#{number};2;{red};{green};{blue}"


def _band(band: bytes, width: int) -> Iterator[bytes]:
    """The columns of a band, for each of its colours."""
    rows = [band[at : at + width] for at in range(0, len(band), width)]
    for colour in set(band):
        bits = 0
        for bit, row in enumerate(rows):
            # every byte of this colour becomes the row's bit, every other byte 0: the row is then one large number
            if colour in row:
                bits |= int.from_bytes(row.translate(_table(colour, bit)), "big")
        columns = bits.to_bytes(width, "big").translate(_PRINTABLE).rstrip(bytes([_EMPTY]))
        yield b"#%d" % colour + _RUN.sub(lambda run: b"!%d%c" % (len(run[0]), run[1]), columns)


@cache
def _table(colour: int, bit: int) -> bytes:
    return bytes(colour) + bytes([1 << bit]) + bytes(255 - colour)
