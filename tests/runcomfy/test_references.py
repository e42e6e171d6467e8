from __future__ import annotations

import base64
import io
import random
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.errors import ReferenceMissing, ReferenceNotImage, RunComfyInput
from codex_imagegen.runcomfy import inputs as references
from tests.runcomfy.conftest import picture
from tests.support.pictures import encoded

CODES = ["reference-reduced"]


def inputs(*refs: str) -> tuple[list[str], list[str]]:
    """The strings that are sent for references, and the codes of the warnings."""
    uris, warnings = references.encode_references(references.load_references(refs))
    return uris, [warning.code for warning in warnings]


def size(uri: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(data(uri))) as image:
        return image.size


def data(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_reference_is_sent_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    (uri,), codes = inputs(str(path))
    assert base64.b64decode(uri.removeprefix("data:image/png;base64,")) == path.read_bytes()
    assert codes == []


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
def test_reference_url_other_than_https_is_refused(url: str) -> None:
    with pytest.raises(RunComfyInput) as caught:
        references.load_references((url,))
    assert caught.value.exit_code == 65


def test_https_reference_is_passed_on() -> None:
    urls = ("https://a.example/x%20y.png?a=1", "HTTPS://a.example/B.png")
    assert inputs(*urls) == (list(urls), [])


def test_unusable_reference_file_fails(tmp_path: Path) -> None:
    with pytest.raises(ReferenceMissing):
        references.load_references((str(tmp_path / "none.png"),))
    (tmp_path / "half.png").write_bytes(picture()[:-20])
    with pytest.raises(ReferenceNotImage):
        references.load_references((str(tmp_path / "half.png"),))


def test_reference_up_to_six_mebibytes_is_sent_unchanged(tmp_path: Path) -> None:
    path, jpeg = tmp_path / "a.jpg", picture(kind="JPEG")
    path.write_bytes(jpeg + b"\0" * (references.MAX_BYTES - len(jpeg)))
    (uri,), codes = inputs(str(path))
    assert (data(uri), codes) == (path.read_bytes(), [])
    path.write_bytes(jpeg + b"\0" * (references.MAX_BYTES + 1 - len(jpeg)))
    (uri,), codes = inputs(str(path))
    assert (size(uri), codes) == ((8, 6), CODES)
    assert len(data(uri)) < len(jpeg) * 4


def test_limits_are_those_of_runcomfy() -> None:
    assert references.MAX_BYTES == 6 * 1024 * 1024
    assert references.MAX_PIXELS == 32_000_000


def test_reference_with_too_many_bytes_is_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_BYTES", 400_000)
    path = tmp_path / "noise.png"
    path.write_bytes(encoded(400))
    assert path.stat().st_size > references.MAX_BYTES
    (uri,), codes = inputs(str(path))
    assert uri.startswith("data:image/jpeg;base64,")
    assert (size(uri), codes) == ((400, 400), CODES)
    assert len(data(uri)) <= references.MAX_BYTES


def test_reference_with_too_many_pixels_is_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_PIXELS", 320_000)
    path = tmp_path / "a.png"
    path.write_bytes(picture((800, 400)))
    assert inputs(str(path))[1] == []
    path.write_bytes(picture((800, 401)))
    (uri,), codes = inputs(str(path))
    width, height = size(uri)
    assert codes == CODES
    assert 310_000 < width * height <= references.MAX_PIXELS
    assert uri.startswith("data:image/webp;base64,")  # only the pixels were too many: lossless


def test_references_together_are_kept_below_the_total(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture(kind="JPEG") + random.Random(1).randbytes(6_000_000))
    url = "https://a.example/x.png"
    assert inputs(*[str(path)] * 8, url)[1] == []
    uris, codes = inputs(*[str(path)] * 9, url)
    assert sum(map(len, uris)) <= references.MAX_TOTAL_BYTES
    assert (len(uris), uris[-1], codes) == (10, url, CODES * 9)
