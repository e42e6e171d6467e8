"""Candidates for the picture: only whole ones count; the first or the largest is delivered, and never a reference."""

from __future__ import annotations

import base64
import json

from codex_imagegen.codex.run.follow import Candidates
from tests.support.pictures import encoded

SMALL, LARGE = encoded(16), encoded(64)


def test_first_whole_picture_is_enough():
    candidates = Candidates(full_turn=False)
    assert not candidates.is_decided
    assert candidates.add(SMALL[: len(SMALL) // 2]) is None
    assert candidates.damaged
    assert not candidates.is_decided
    candidates.add(SMALL, "revised")
    candidates.add(LARGE)
    assert candidates.is_decided
    assert candidates.best is not None
    assert (candidates.best.data, candidates.best.revised_prompt) == (SMALL, "revised")


def test_full_turn_takes_the_largest_picture():
    candidates = Candidates(full_turn=True)
    for data in (SMALL, LARGE, SMALL):
        candidates.add(data)
    assert not candidates.is_decided
    assert candidates.best is not None
    assert candidates.best.data == LARGE


def test_saved_file_is_taken(tmp_path):
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(SMALL[:100])
    (tmp_path / "2.png").write_bytes(SMALL)
    candidates = Candidates(full_turn=False)
    picture = candidates.add_saved_file(str(tmp_path), "revised")
    assert picture is not None
    assert (picture.data, picture.revised_prompt) == (SMALL, "revised")
    assert candidates.is_decided
    assert Candidates(full_turn=False).add_saved_file(str(tmp_path / "nowhere")) is None


def test_fallback_takes_the_largest_that_is_no_reference(tmp_path):
    path = tmp_path / "rollout.jsonl"
    new = [{"type": "fifth_move", "payload": {"blob": base64.b64encode(data).decode()}} for data in (SMALL, LARGE)]
    path.write_text("".join(json.dumps(record) + "\n" for record in new))
    any_picture = Candidates(full_turn=False).find_unrecognized(str(path), 0)
    assert any_picture is not None
    assert any_picture.data == LARGE
    no_reference = Candidates(full_turn=False, reference_images=[LARGE]).find_unrecognized(str(path), 0)
    assert no_reference is not None
    assert no_reference.data == SMALL


def test_reference_in_a_record_of_a_made_picture_is_not_delivered():
    reference, drawn = encoded(64, "reference"), encoded(40, "fox")
    for full_turn in (False, True):
        candidates = Candidates(full_turn=full_turn, reference_images=[reference])
        assert candidates.add(reference) is None
        assert (candidates.best, candidates.is_decided, candidates.is_deliverable(reference)) == (None, False, False)
        assert candidates.unchanged is not None
        assert candidates.unchanged.data == reference
        candidates.add(drawn)
        assert candidates.best is not None
        assert candidates.best.data == drawn
