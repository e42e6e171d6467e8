"""A reference is no result, whatever a record says of it."""

from __future__ import annotations

from codex_imagegen.codex.run.follow import Candidates
from tests.support.pictures import encoded


def test_record_that_calls_a_reference_made_brings_no_picture():
    reference, drawn = encoded(64, "reference"), encoded(40, "fox")
    for full_turn in (False, True):
        landing = Candidates(full_turn=full_turn, known=[reference])
        assert landing.add(reference) is None
        assert (landing.chosen, landing.enough, landing.is_whole(reference)) == (None, False, False)
        landing.add(drawn)
        assert landing.chosen is not None
        assert landing.chosen.data == drawn
