"""Candidates for the picture: only whole ones count; the first is taken, or the largest."""

from __future__ import annotations

import base64
import json

from codex_imagegen.codex.run.follow import Candidates
from tests.support.pictures import encoded

SMALL, LARGE = encoded(16), encoded(64)


def test_first_whole_picture_is_enough():
    landing = Candidates(full_turn=False)
    assert not landing.enough
    assert landing.add(SMALL[: len(SMALL) // 2]) is None
    assert landing.damaged
    assert not landing.enough
    landing.add(SMALL, "revised")
    landing.add(LARGE)
    assert landing.enough
    assert landing.chosen is not None
    assert (landing.chosen.data, landing.chosen.revised_prompt) == (SMALL, "revised")


def test_full_turn_takes_the_largest_picture():
    landing = Candidates(full_turn=True)
    for data in (SMALL, LARGE, SMALL):
        landing.add(data)
    assert not landing.enough
    assert landing.chosen is not None
    assert landing.chosen.data == LARGE


def test_saved_file_is_taken(tmp_path):
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(SMALL[:100])
    (tmp_path / "2.png").write_bytes(SMALL)
    landing = Candidates(full_turn=False)
    picture = landing.saved(str(tmp_path), "revised")
    assert picture is not None
    assert (picture.data, picture.revised_prompt) == (SMALL, "revised")
    assert landing.enough
    assert Candidates(full_turn=False).saved(str(tmp_path / "nowhere")) is None


def test_fallback_takes_the_largest_that_is_no_reference(tmp_path):
    path = tmp_path / "rollout.jsonl"
    new = [{"type": "fifth_move", "payload": {"blob": base64.b64encode(data).decode()}} for data in (SMALL, LARGE)]
    path.write_text("".join(json.dumps(record) + "\n" for record in new))
    unknown, known = Candidates(full_turn=False).stray(str(path), 0), Candidates(full_turn=False, known=[LARGE])
    assert unknown is not None
    assert unknown.data == LARGE
    other = known.stray(str(path), 0)
    assert other is not None
    assert other.data == SMALL
