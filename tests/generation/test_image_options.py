"""Image options: sent to the model, compared with the picture, and applied afterwards where possible."""

from __future__ import annotations

import io

import pytest
from PIL import Image, PngImagePlugin

from tests.support import checks
from tests.support.checks import DrawsSmall
from tests.support.in_process import call

pytestmark = pytest.mark.real


class Tagged(DrawsSmall):
    """A picture with a text chunk and a colour profile, half of it transparent."""

    def draw(self, prompt):
        image = Image.new("RGBA", (90, 60), (200, 80, 20, 255))
        image.paste((0, 0, 0, 0), (0, 0, 45, 60))
        info = PngImagePlugin.PngInfo()
        info.add_text("Provenance", "made by a test")
        target = io.BytesIO()
        image.save(target, "PNG", pnginfo=info, icc_profile=b"a profile")
        return target.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def drawn(world, *arguments, name="fox.png"):
    done = world.call("--prompt", "a fox", "--out", name, "--json", *arguments)
    assert done.code == 0, done
    return done.json, opened((world.work / name).read_bytes())


def test_run_with_image_options_sends_them_beside_the_prompt_and_warns_of_unmet_ones(lab):
    world = lab(script=DrawsSmall())
    options = ["--size", "1600x900", "--quality", "high", "--transparent"]
    result, image = drawn(world, *options)
    request = checks.requests(world)[0]
    words = " ".join(checks.texts_of_role(request, "developer"))
    assert "1600 pixels wide and 900 pixels high, of high rendering quality, on a fully transparent" in words
    assert checks.texts_of_role(request, "user")[-1] == "a fox"
    assert [warning["code"] for warning in result["warnings"]] == ["size-differs", "alpha-missing"]
    assert "1600x900" in result["warnings"][0]["message"]
    assert f"{image.width}x{image.height}" in result["warnings"][0]["message"]
    assert result["images"][0]["original"] is True
    assert checks.picture_turns(world) == 1


@pytest.mark.parametrize(
    ("ratio", "codes"), [("16:9", ["size-differs"]), pytest.param("1:1", [], marks=pytest.mark.every_build)]
)
def test_run_with_aspect_ratio_warns_where_another_came(lab, ratio, codes):
    result, _ = drawn(lab(script=DrawsSmall()), "--aspect-ratio", ratio)
    assert [warning["code"] for warning in result["warnings"]] == codes


def test_run_with_transparent_background_and_ratio_that_came_warns_of_nothing(lab):
    result, image = drawn(lab(script=Tagged()), "--transparent", "--aspect-ratio", "3:2")
    assert result["warnings"] == []
    assert image.mode == "RGBA"


def test_run_with_fit_makes_the_size_exact_and_keeps_text_profile_and_original(lab):
    world = lab(script=Tagged())
    result, image = drawn(world, "--size", "50x50", "--fit")
    assert (image.size, result["images"][0]["width"], result["images"][0]["height"]) == ((50, 50), 50, 50)
    assert result["images"][0]["original"] is False
    assert result["warnings"] == []
    assert image.info["Provenance"] == "made by a test"
    assert image.info["icc_profile"] == b"a profile"
    # cropped around the centre: the edge between the halves is still in the middle
    assert image.getpixel((10, 25))[3] < 40
    assert image.getpixel((40, 25))[3] > 200
    line = ["recover", result["thread_id"], "--out", "original.png"]
    assert call(*line, environment=world.environment, folder=world.work).code == 0
    assert (world.work / "original.png").read_bytes() == Tagged().draw("")


@pytest.mark.parametrize(("wanted", "name"), [
    ("jpeg", "fox.jpg"), *[
        pytest.param(name, f"fox.{name}", marks=pytest.mark.every_build) for name in ("webp", "png")
    ],
])  # fmt: skip
def test_run_with_format_converts_the_picture(lab, wanted, name):
    result, image = drawn(lab(script=Tagged()), "--format", wanted, name=name)
    assert (image.format, result["images"][0]["format"]) == (wanted.upper(), wanted)
    assert result["images"][0]["original"] is (wanted == "png")
    if wanted == "jpeg":
        assert image.getpixel((5, 5)) == (255, 255, 255)


def test_run_with_format_and_no_name_uses_its_suffix(lab):
    world = lab(script=DrawsSmall())
    done = world.call("-p", "a fox", "--format", "webp")
    assert done.code == 0
    assert done.text.strip().endswith(".webp")


NONSENSE = [
    ["--size", "0x10"], ["--size", "wide"], ["--size", "99999x2"], ["--aspect-ratio", "16/9"],
    ["--aspect-ratio", "0:1"], ["--resolution", "8k"], ["--quality", "best"], ["--format", "gif"], ["--fit"],
    ["--transparent", "--format", "jpeg"], ["--transparent", "--out", "x.jpg"],
    ["--transparent", "--out", "x.JPEG", "--count", "2"], ["--format", "webp", "--out", "x.png"],
]  # fmt: skip


def test_run_with_image_options_that_make_no_sense_fails_as_usage(lab):
    world = lab(offline=True)
    for arguments in NONSENSE:
        done = world.call("--prompt", "a fox", "--json", *arguments)
        assert (done.code, done.json["error"]["code"]) == (2, "usage"), arguments
