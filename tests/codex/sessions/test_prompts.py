"""Prompt, references, model and time of each picture in a past session."""

from __future__ import annotations

import pytest

from codex_imagegen.codex.sessions import rollout
from codex_imagegen.codex.sessions.history import read_ref
from codex_imagegen.codex.sessions.reader import MAX_PROMPT_CHARS, PromptReader, SessionReader
from codex_imagegen.images import base64_images
from tests.support import history, recorded_runs
from tests.support.history import generated_image, user_image, user_message
from tests.support.pictures import encoded

FOX, OWL, REFERENCE = encoded(40, "fox"), encoded(44, "owl"), encoded(64, "reference")
WRITTEN = 1767225600.0
"""2026-01-01, the time of every record that tests.support.history writes."""


@pytest.fixture
def codex_home(tmp_path):
    return history.History(tmp_path / "home")


def read(codex_home, path):
    session = SessionReader(str(codex_home.home), read_ref(str(path)))
    return list(session.pictures()), session


def context(model):
    return {"type": "turn_context", "payload": {"turn_id": "t", "model": model}}


def test_prompts_of_each_picture_are_those_of_its_turn(codex_home):
    path = codex_home.rollout(
        context("gpt-5.2"), user_image(REFERENCE, "as a king"), user_message("as a king"), generated_image(FOX),
        context("gpt-6.1-sol"), user_image(b"", "now an owl"), user_message("now an owl"),
        generated_image(OWL, call_id="2"),
    )  # fmt: skip
    (fox, owl), session = read(codex_home, path)
    assert (fox.context.prompt, fox.context.model, fox.time) == ("as a king", "gpt-5.2", WRITTEN)
    assert [base64_images.decode(reference) for reference in fox.context.references] == [REFERENCE]
    assert (owl.context.prompt, owl.context.model) == ("now an owl", "gpt-6.1-sol")
    assert [base64_images.decode(reference) for reference in owl.context.references] == [None]
    assert (session.prompt, session.context) == ("as a king", owl.context)


def test_user_message_event_keeps_the_references(codex_home):
    path = codex_home.rollout(user_image(REFERENCE, "guessed"), user_message(" typed "), generated_image(FOX))
    ((fox,), _) = read(codex_home, path)
    assert (fox.context.prompt, len(fox.context.references)) == ("typed", 1)


def test_context_of_codex_is_not_a_prompt(codex_home):
    added = user_image(OWL, "<environment_context>x")
    ((fox,), _) = read(codex_home, codex_home.rollout(user_image(REFERENCE), added, generated_image(FOX)))
    assert (fox.context.prompt, len(fox.context.references)) == (history.PROMPT, 1)


def test_saved_file_has_the_prompt_of_its_record(codex_home):
    path = codex_home.rollout(user_message("as a king"), generated_image(None, savedPath="x"))
    folder = codex_home.saved(history.thread_of(path), FOX, OWL)
    (fox, owl), session = read(codex_home, path)
    assert (fox.context.prompt, fox.revised_prompt) == ("as a king", f"{history.PROMPT}, revised")
    assert (owl.context.prompt, owl.revised_prompt) == (None, None)
    assert owl.time == (folder / "call_2.png").stat().st_mtime
    assert session.files == {fox.digest: str(folder / "call_1.png"), owl.digest: str(folder / "call_2.png")}


def test_long_prompt_is_cut():
    prompts = PromptReader()
    prompts.read(history.rollout_line(user_message("x" * (MAX_PROMPT_CHARS + 5))))
    assert prompts.context.prompt == "x" * MAX_PROMPT_CHARS


@pytest.mark.parametrize(
    ("head", "when"),
    [
        (b'{"timestamp":"2026-01-01T00:00:00.000Z","type"', WRITTEN),
        (b'{"timestamp":"2026-01-01T01:00:00+01:00",', WRITTEN),
        (b'{"timestamp":"2026-99-01T00:00:00.000Z"', None),
        (b'{"type":"timestamp","timestamp":"2026-01-01T00:00:00.000Z"', None),
        (b'{"timestamp":"0001-01-01T00:00:00.000Z",', None),
        (b'{"timestamp":"9999-12-31T23:59:59.000Z",', None),
        (b"", None),
    ],
)
def test_record_time_is_read(head, when):
    assert rollout.read_time(head) == when


@recorded_runs.for_each(recorded_runs.load_all("ok") + recorded_runs.load_all("ref1"))
def test_prompt_of_every_recorded_build_is_found(recording, codex_home):
    pictures, session = read(codex_home, recording.path)
    assert {picture.context.prompt for picture in pictures} == {history.PROMPT}
    assert {len(picture.context.references) for picture in pictures} == {int("ref1" in recording.name)}
    assert all(abs(picture.time - recording.run["recorded_at"]) < 60 for picture in pictures)
    assert session.codex_version == recording.run["build"].split("-")[0]
