"""A short run of the fuzz command; the long one is ``python -m tests.tools.fuzz``."""

from __future__ import annotations

import random

import pytest

from tests.support.pictures import encoded, torn
from tests.tools.fuzz import PIECES, VALUES, Fuzz, Mutator, is_sound_png

LINES = 20_000


def test_twenty_thousand_mutated_lines():
    tally = Fuzz(seed=2).run(LINES)
    assert tally.total >= LINES
    assert min(tally.lines.values()) > LINES // 100, tally
    assert tally.whole > 0 < tally.broken
    assert tally.refused > 0


def test_the_same_seed_gives_the_same_lines():
    mutators = [Mutator(random.Random(3)) for _ in range(2)]
    one, two = ([mutate.line(b'{"a":[1,{"b":"c"}]}') for _ in range(200)] for mutate in mutators)
    assert one == two
    assert len(set(one)) > 100


def test_values_are_not_changed_by_being_used():
    before = repr(VALUES)
    mutate = Mutator(random.Random(4))
    line = b'{"a":[1,{"b":"c"}]}'
    for _ in range(500):
        line = mutate.line(line)[:5000] or b"{}"
    assert repr(VALUES) == before
    assert len(PIECES) > 30


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_second_opinion_on_pictures(mode):
    whole = encoded(8, "sound", mode=mode)
    assert is_sound_png(whole)
    assert not is_sound_png(torn(whole))
    assert not is_sound_png(whole[:50] + b"x" + whole[51:])
