from __future__ import annotations

import base64
import io
import random
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage, RunComfyInput
from codex_imagegen.runcomfy import references
from tests.support.pictures import encoded

from .conftest import picture

CODES = ["reference-reduced"]


def inputs(*refs: str) -> tuple[list[str], list[str]]:
    """What is sent of references, and the codes of the warnings."""
    uris, warnings = references.as_inputs(references.load(refs))
    return uris, [warning.code for warning in warnings]


def size(uri: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(data(uri))) as image:
        return image.size


def data(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_the_bytes_go_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    (uri,), warned = inputs(str(path))
    assert base64.b64decode(uri.removeprefix("data:image/png;base64,")) == path.read_bytes()
    assert warned == []


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
        references.load((url,))
    assert caught.value.exit_code == 65


def test_https_is_passed_on_as_it_is() -> None:
    urls = ("https://a.example/x%20y.png?a=1", "HTTPS://a.example/B.png")
    assert inputs(*urls) == (list(urls), [])


def test_a_file_that_can_not_be_used_is_the_reference_s_fault(tmp_path: Path) -> None:
    with pytest.raises(ReferenceMissing):
        references.load((str(tmp_path / "none.png"),))
    (tmp_path / "half.png").write_bytes(picture()[:-20])
    with pytest.raises(ReferenceNotImage):
        references.load((str(tmp_path / "half.png"),))


def test_six_mebibytes_are_the_limit_of_one(tmp_path: Path) -> None:
    path, jpeg = tmp_path / "a.jpg", picture(kind="JPEG")
    path.write_bytes(jpeg + b"\0" * (references.MAX_BYTES - len(jpeg)))
    (uri,), warned = inputs(str(path))
    assert (data(uri), warned) == (path.read_bytes(), [])
    path.write_bytes(jpeg + b"\0" * (references.MAX_BYTES + 1 - len(jpeg)))
    (uri,), warned = inputs(str(path))
    assert (size(uri), warned) == ((8, 6), CODES)
    assert len(data(uri)) < len(jpeg) * 4


def test_more_than_six_mebibytes_become_a_smaller_copy(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    path.write_bytes(encoded(1600))
    assert path.stat().st_size > references.MAX_BYTES
    (uri,), warned = inputs(str(path))
    assert uri.startswith("data:image/jpeg;base64,")
    assert (size(uri), warned) == ((1600, 1600), CODES)
    assert len(data(uri)) <= references.MAX_BYTES


def test_thirty_two_megapixels_are_the_limit_of_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture((8000, 4000)))
    assert inputs(str(path))[1] == []
    path.write_bytes(picture((8000, 4001)))
    (uri,), warned = inputs(str(path))
    width, height = size(uri)
    assert warned == CODES
    assert 31_900_000 < width * height <= references.MAX_PIXELS
    assert uri.startswith("data:image/webp;base64,")  # nothing but pixels was too much: without loss


def test_sixty_four_mebibytes_are_the_limit_of_all(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture(kind="JPEG") + random.Random(1).randbytes(6_000_000))
    url = "https://a.example/x.png"
    assert inputs(*[str(path)] * 8, url)[1] == []
    uris, warned = inputs(*[str(path)] * 9, url)
    assert sum(map(len, uris)) <= references.MAX_TOTAL_BYTES
    assert (len(uris), uris[-1], warned) == (10, url, CODES * 9)
