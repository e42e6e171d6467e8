from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_imagegen.errors import RunComfyInput, RunComfyUsage, UsageError
from codex_imagegen.runcomfy import inputs
from tests.runcomfy.conftest import picture, request

URL = "https://example.org/a.png"


def test_order_holds_only_requested_options() -> None:
    order = inputs.prepare(request(" a fox\n"))
    assert order == inputs.Submission("openai/gpt-image-2/text-to-image", {"prompt": " a fox\n"})


def test_every_option_has_its_field() -> None:
    order = inputs.prepare(request("a", aspect_ratio="21:9", resolution="4k", quality="high", format="jpeg"))
    assert order.body == {
        "prompt": "a",
        "aspect_ratio": "21:9",
        "resolution": "4k",
        "quality": "high",
        "output_format": "jpeg",
    }


@pytest.mark.parametrize(
    ("out", "wanted", "sent"),
    [
        (None, None, None),
        ("a.png", None, None),
        ("-", None, None),
        ("a.jpg", None, "jpeg"),
        ("b/a.JPEG", None, "jpeg"),
        ("a.webp", None, "webp"),
        ("a.png", "png", "png"),
        ("-", "webp", "webp"),
    ],
)
def test_output_name_sets_the_format(out: str | None, wanted: str | None, sent: str | None) -> None:
    request_with_out = dataclasses.replace(request("a", format=wanted), out=out)
    assert inputs.prepare(request_with_out).body.get("output_format") == sent


def test_references_select_the_edit_model_in_order() -> None:
    urls = [f"https://example.org/{n}.png" for n in (3, 1, 2)]
    order = inputs.prepare(request("a", *urls))
    assert order == inputs.Submission("openai/gpt-image-2/edit", {"prompt": "a", "images": urls})


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1024, 1536), "2:3"),
        ((1536, 1024), "3:2"),
        ((1024, 1024), "1:1"),
        ((3840, 2160), "16:9"),
        ((1080, 1920), "9:16"),
        ((800, 1000), "4:5"),
        ((1280, 1024), "5:4"),
        ((2100, 900), "21:9"),
        ((640, 480), "4:3"),
        ((600, 800), "3:4"),
        ((7, 3), "21:9"),
    ],
)
def test_size_is_translated_to_ratio_and_resolution(size: tuple[int, int], ratio: str) -> None:
    assert inputs.aspect_ratio_of(size) == ratio
    assert inputs.prepare(request("a", size=size)).body == {"prompt": "a", "aspect_ratio": ratio}


@pytest.mark.parametrize("size", [(1000, 1), (1254, 1254 + 1), (0, 0), (-2, -3), (0, 5), (1366, 768)])
def test_unsupported_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(RunComfyInput, match="aspect ratio") as caught:
        inputs.aspect_ratio_of(size)
    assert caught.value.exit_code == 65
    assert "21:9" in str(caught.value.hint)


@given(st.integers(-5, 10_000), st.integers(-5, 10_000))
def test_any_size_is_translated_exactly_or_refused(width: int, height: int) -> None:
    try:
        across, down = map(int, inputs.aspect_ratio_of((width, height)).split(":"))
    except RunComfyInput:
        return
    assert width * down == height * across


@pytest.mark.parametrize(
    "image_options",
    [
        {"aspect_ratio": "2:1"},
        {"aspect_ratio": "4:6"},
        {"aspect_ratio": ""},
        {"resolution": "8k"},
        {"resolution": "4K"},
        {"quality": "best"},
        {"format": "gif"},
        {"transparent": True},
        {"size": (1000, 7)},
        {"size": (1024, 1024), "aspect_ratio": "2:3"},
    ],
)
def test_values_outside_the_schema_are_refused(image_options: dict[str, object]) -> None:
    with pytest.raises(RunComfyInput) as caught:
        inputs.prepare(request("a", **image_options))
    assert (caught.value.exit_code, caught.value.spent) == (65, False)


def test_agreeing_size_and_ratio_are_accepted() -> None:
    assert inputs.prepare(request("a", size=(1024, 1536), aspect_ratio="2:3")).body["aspect_ratio"] == "2:3"


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(RunComfyInput, match="empty"):
        inputs.prepare(request(prompt))


def test_more_than_ten_references_are_refused() -> None:
    assert len(inputs.prepare(request("a", *[URL] * 10)).body["images"]) == 10  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        inputs.prepare(request("a", *[URL] * 11))
    assert caught.value.exit_code == 2


def test_model_must_fit_the_references() -> None:
    with pytest.raises(RunComfyInput, match="takes no references"):
        inputs.prepare(request("a", URL, model=inputs.TEXT_TO_IMAGE))
    with pytest.raises(RunComfyInput, match="needs a reference"):
        inputs.prepare(request("a", model=inputs.EDIT))
    assert inputs.prepare(request("a", URL, model="google/nano-banana-2/edit")).model == "google/nano-banana-2/edit"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "gpt-image-2",
        "/a/b",
        "a/b/",
        "a//b",
        "a/../b",
        "a/./b",
        "../a",
        "a/b?x=1",
        "a/b#c",
        "a b/c",
        "a/b%2f",
        "ä/b",
        "a/b\n",
        "a" * 150 + "/" + "b" * 60,
    ],
)
def test_invalid_model_id_is_refused(bad: str) -> None:
    with pytest.raises(RunComfyUsage) as caught:
        inputs.check_model_id(bad)
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("bad", ["", "a b", "../x", "a/b", "a?b", "a#b", "-a", ".a", "é", "a\n", "a" * 129, "a%41"])
def test_invalid_request_id_is_refused(bad: str) -> None:
    with pytest.raises(RunComfyUsage) as caught:
        inputs.check_request_id(bad)
    assert caught.value.exit_code == 64


@given(st.text())
def test_id_is_one_path_segment(text: str) -> None:
    try:
        request_id = inputs.check_request_id(text)
    except RunComfyUsage:
        return
    assert not set(request_id) & set("/?#%\\ \n\r")


def test_local_references_become_data_uris(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        (tmp_path / kind).write_bytes(picture(kind=kind))
    order = inputs.prepare(request("a", str(tmp_path / "WEBP"), URL, str(tmp_path / "JPEG")))
    first, second, third = order.body["images"]  # type: ignore[misc]
    assert first.startswith("data:image/webp;base64,UklGR")
    assert second == URL
    assert third.startswith("data:image/jpeg;base64,/9j/")
    assert "base64" not in repr(order)
