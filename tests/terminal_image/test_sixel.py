"""Sixel output, checked with a decoder in this file."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from codex_imagegen.terminal_image import draw
from tests.support.pictures import image

HEAD = re.compile(r'\x1bP0;1q"1;1;(\d+);(\d+)')
TOKEN = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])|([?-~])", re.DOTALL)


def decode(text: str) -> Image.Image:
    """The picture that a terminal would draw."""
    head = HEAD.match(text)
    assert head
    assert text.endswith("\x1b\\")
    drawn = Image.new("RGB", (int(head[1]), int(head[2])))
    colours, colour, x, y = {}, (0, 0, 0), 0, 0
    for token in TOKEN.finditer(text[head.end() : -2]):
        number, *parts = token.groups()[:4]
        if number:
            colours[number] = tuple(round(int(part) * 255 / 100) for part in parts)
        elif token[5]:
            colour = colours[token[5]]
        elif token[8]:
            x, y = 0, y + (6 if token[8] == "-" else 0)
        else:
            count, bits = int(token[6] or 1), ord(token[7] or token[9]) - 63
            for bit in (bit for bit in range(6) if bits >> bit & 1):
                drawn.paste(colour, (x, y + bit, x + count, y + bit + 1))
            x += count
    return drawn


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (7, 13), (64, 36), (300, 7)])
def test_sixels_draw_the_picture(size):
    plain = Image.new("RGB", size, (255, 0, 0))
    plain.paste((0, 51, 102), (0, 0, (size[0] + 1) // 2, (size[1] + 1) // 2))
    assert decode(draw.encode_sixel(plain)).tobytes() == plain.tobytes()


def test_sixels_of_many_colours_are_close():
    noise = image(48)
    near = noise.quantize(draw.SIXEL_COLOURS).convert("RGB").tobytes()
    drawn = decode(draw.encode_sixel(noise)).tobytes()
    assert max(abs(one - other) for one, other in zip(drawn, near, strict=True)) <= 2  # percent


def test_sixels_are_printable_text():
    text = draw.encode_sixel(image(30))
    assert text.isascii()
    assert re.fullmatch(r"\x1bP[ -~]*\x1b\\", text)
