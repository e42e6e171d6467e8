"""References on the way to the model and to the tool: under any temporary folder, and however large they are."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from codex_imagegen.codex import upload
from tests.support import builds, checks, scripts
from tests.support.checks import ENDS, Small, made
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
MAX_UPLOAD = 64_000_000
CODE_MODE = builds.NEWEST
HOSTED = builds.OLDEST
ODD_NAMES = ["a,b", "a\nb", 'a">b', os.fsdecode(b"caf\xe9")]


def put(world, *references: bytes) -> list[str]:
    """The references as files, and the words that name them."""
    for number, data in enumerate(references):
        (world.work / f"ref-{number}.png").write_bytes(data)
    return [word for number in range(len(references)) for word in ("--ref", f"ref-{number}.png")]


def uploaded(world) -> int:
    """All bytes that went up, as they were on the wire."""
    return sum(call.size for call in world.standin.calls)


def pixels(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as image:
        return image.format, image.size


def folders_of(world) -> tuple[Path, Path]:
    """The working folder of the run, and that of its copies."""
    folder = json.loads(world.rollouts()[0].read_text().splitlines()[0])["payload"]["cwd"]
    return Path(folder), Path(folder.replace("codex-imagegen-run-", "codex-imagegen-ref-"))


# The temporary folder


@ENDS
@pytest.mark.parametrize("name", ODD_NAMES)
def test_references_arrive_whatever_the_temporary_folder_is_called(lab, version, name):
    world = lab(version, script=Small())
    (world.tmp / name).mkdir()
    references = [made("one"), made("another")]
    done = world.run("-p", "a fox", *put(world, *references), "-o", "fox.png", env={"TMPDIR": str(world.tmp / name)})
    assert (done.code, done.err) == (0, "")
    assert checks.shown(checks.requests(world)[0]) == references
    if builds.number(version) >= (0, 144):
        assert checks.edited(world) == references
    assert (world.work / "fox.png").read_bytes() == made("a fox")
    assert not any(path.exists() for path in folders_of(world))
    assert os.listdir(world.tmp / name) == []


def test_a_batch_that_was_killed_under_such_a_folder_is_swept(lab):
    class Slow(Small):
        draw_sec = 60.0

    world = lab(script=Slow())
    (world.tmp / "a,b").mkdir()
    words = {"TMPDIR": str(world.tmp / "a,b")}
    put(world, made("one"))
    (world.work / "jobs.jsonl").write_text(json.dumps({"prompt": "a fox", "out": "fox.png", "refs": ["ref-0.png"]}))
    run = world.start("batch", "jobs.jsonl", env=words)
    checks.until(lambda: world.standin.to("/responses"), "the model")
    run.kill()
    run.communicate(timeout=30)
    left = folders_of(world)
    assert all(path.is_dir() for path in left)
    for process in checks.processes(world, wait=False):
        checks.end(process)
    world.standin.script = Small()
    assert world.run("batch", "jobs.jsonl", env=words).code == 0
    assert not any(path.exists() for path in left)


# How large they are


@pytest.mark.parametrize("version", [CODE_MODE, HOSTED])
def test_five_large_references_stay_under_what_arrives(lab, version):
    world = lab(version, script=Small())
    references = [encoded(2199, seed) for seed in range(5)]
    assert min(map(len, references)) > 14_500_000
    done = world.run("-p", "a fox", *put(world, *references), "-o", "fox.png", "--json", timeout=170)
    assert (done.code, (world.work / "fox.png").read_bytes()) == (0, made("a fox"))
    assert uploaded(world) < MAX_UPLOAD
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced"] * 5
    for number, warning in enumerate(done.json["warnings"]):
        assert f"ref-{number}.png" in warning["message"]
        assert f"{len(references[number]):,} bytes (PNG, 2199 × 2199)" in warning["message"]
    assert len(checks.shown(checks.requests(world)[0])) == 5
    for sent in checks.edited(world) if builds.number(version) >= (0, 144) else []:
        kind, (width, height) = pixels(sent)
        assert (kind, width) == ("JPEG", height)
        assert len(sent) * 4 // 3 < upload.MAX_DATA_URL


def test_a_large_one_leaves_the_small_ones_alone(lab):
    world = lab(script=Small())
    small, large = encoded(200), encoded(2400)
    assert len(large) * 4 // 3 > upload.MAX_DATA_URL
    done = world.run("-p", "a fox", *put(world, small, large, small), "-o", "fox.png", timeout=170)
    assert done.code == 0
    assert done.err.count("\n") == 1
    assert "'ref-1.png' is too large to arrive" in done.err
    first, second, third = checks.edited(world)
    assert first == third == small
    assert pixels(second) == ("JPEG", (2400, 2400))


def test_one_of_fourteen_megabytes_goes_byte_for_byte(lab):
    world = lab(script=Small())
    reference = encoded(2199)
    done = world.run("-p", "a fox", *put(world, reference), "-o", "fox.png", timeout=170)
    assert (done.code, done.err) == (0, "")
    assert checks.edited(world) == [reference]


@ENDS
def test_neither_the_reference_nor_its_copy_is_ever_the_result(lab, version, monkeypatch):
    """The model looks at the references, makes nothing, and says so: no stray picture is taken for the result."""
    world = lab(version, script=scripts.Refuses())
    done = world.run("-p", "a fox", *put(world, encoded(2400)), "-o", "fox.png", "--json", timeout=170)
    assert (done.code, done.json["error"]["code"]) == (7, "refused")
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced"]
    assert not (world.work / "fox.png").exists()


def test_several_pictures_and_a_batch_say_it_too(lab):
    world = lab(script=Small())
    words = put(world, encoded(2400))
    several = world.run("-p", "a fox", *words, "-o", "fox.png", "-n", "2", "--json", timeout=170)
    assert [warning["code"] for warning in several.json["warnings"]] == ["reference-reduced"]
    (world.work / "jobs.jsonl").write_text(json.dumps({"prompt": "an owl", "out": "owl.png", "refs": ["ref-0.png"]}))
    batch = world.run("batch", "jobs.jsonl", "--json", timeout=170)
    assert (batch.code, [warning["code"] for warning in batch.json["warnings"]]) == (0, ["reference-reduced"])


def test_an_error_that_large_references_can_cause_names_them(lab):
    world = lab(script=scripts.BlocksPrompt())
    done = world.run("-p", "a fox", *put(world, encoded(2199)), "-o", "fox.png", "--json", timeout=170)
    assert done.json["error"]["code"] == "moderation"
    assert "smaller references" in done.json["error"]["hint"]
    world.standin.calls.clear()
    small = world.run("-p", "a fox", *put(world, encoded(20)), "-o", "fox.png", "--json")
    assert "smaller references" not in small.json["error"]["hint"]
