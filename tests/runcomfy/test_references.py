from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage, RunComfyInput
from codex_imagegen.runcomfy import references

from .conftest import picture


def test_the_bytes_go_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    (uri,) = references.as_inputs((str(path),))
    assert base64.b64decode(uri.removeprefix("data:image/png;base64,")) == path.read_bytes()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "file:///etc/passwd",
        "ftp://a/b",
        "https://",
        "https:///",
        "https://a b",
        "https://a\nb",
    ],
)
def test_only_https_is_passed_on(url: str) -> None:
    with pytest.raises(RunComfyInput) as caught:
        references.as_inputs((url,))
    assert caught.value.exit_code == 65


def test_https_is_passed_on_as_it_is() -> None:
    urls = ("https://a.example/x%20y.png?a=1", "HTTPS://a.example/B.png")
    assert references.as_inputs(urls) == list(urls)


def test_a_file_that_can_not_be_used_is_the_reference_s_fault(tmp_path: Path) -> None:
    with pytest.raises(ReferenceMissing):
        references.as_inputs((str(tmp_path / "none.png"),))
    (tmp_path / "half.png").write_bytes(picture()[:-20])
    with pytest.raises(ReferenceNotImage):
        references.as_inputs((str(tmp_path / "half.png"),))


def test_six_mebibytes_are_the_limit_of_one(tmp_path: Path) -> None:
    path, data = tmp_path / "a.jpg", picture(kind="JPEG")
    path.write_bytes(data + b"\0" * (references.MAX_BYTES - len(data)))
    assert len(references.as_inputs((str(path),))) == 1
    path.write_bytes(data + b"\0" * (references.MAX_BYTES + 1 - len(data)))
    with pytest.raises(RunComfyInput, match="6,291,457 bytes"):
        references.as_inputs((str(path),))


def test_thirty_two_megapixels_are_the_limit_of_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture((8000, 4000)))
    assert len(references.as_inputs((str(path),))) == 1
    path.write_bytes(picture((8000, 4001)))
    with pytest.raises(RunComfyInput, match="32,008,000 pixels"):
        references.as_inputs((str(path),))


def test_sixty_four_mebibytes_are_the_limit_of_all(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture(kind="JPEG") + random.Random(1).randbytes(6_000_000))
    assert len(references.as_inputs((str(path),) * 8)) == 8
    with pytest.raises(RunComfyInput, match="together"):
        references.as_inputs((str(path),) * 9)
