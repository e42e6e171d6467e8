"""References on the way to the model and to the tool: under any temporary folder, and however large they are."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from codex_imagegen import render
from tests.support import builds, checks, patched_command, scripts
from tests.support.checks import DrawsSmall, small_png
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
MAX_UPLOAD = 64_000_000
DATA_URL = 375_000
ODD_NAMES = ["a,b", 'a">b', os.fsdecode(b"caf\xe9")]


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


@pytest.mark.parametrize(
    ("version", "name"),
    [
        *((builds.NEWEST, name) for name in ODD_NAMES),
        pytest.param(builds.NEWEST, "a\nb", marks=pytest.mark.every_build),
        pytest.param(builds.OLDEST, "a,b", marks=pytest.mark.every_build),
    ],
)
def test_references_below_an_odd_temporary_folder_arrive_unchanged(lab, version, name):
    world = lab(version, script=DrawsSmall())
    (world.tmp / name).mkdir()
    references = [small_png("one"), small_png("another")]
    done = world.call("-p", "a fox", *put(world, *references), "-o", "fox.png", env={"TMPDIR": str(world.tmp / name)})
    assert (done.code, done.err) == (0, "")
    assert checks.shown_pictures(checks.requests(world)[0]) == references
    if builds.number(version) >= (0, 144):
        assert checks.tool_references(world) == references
    assert (world.work / "fox.png").read_bytes() == small_png("a fox")
    assert not any(path.exists() for path in folders_of(world))
    assert os.listdir(world.tmp / name) == []


def test_batch_after_a_kill_below_an_odd_temporary_folder_removes_what_was_left(lab):
    class Slow(DrawsSmall):
        draw_sec = 60.0

    world = lab(script=Slow())
    (world.tmp / "a,b").mkdir()
    words = {"TMPDIR": str(world.tmp / "a,b")}
    put(world, small_png("one"))
    (world.work / "jobs.jsonl").write_text(json.dumps({"prompt": "a fox", "out": "fox.png", "refs": ["ref-0.png"]}))
    run = world.start("batch", "jobs.jsonl", env=words)
    checks.wait_until(lambda: world.standin.calls_to("/responses"), "the model")
    run.kill()
    run.communicate(timeout=30)
    left = folders_of(world)
    assert all(path.is_dir() for path in left)
    for process in checks.processes(world, wait=False):
        checks.kill(process)
    world.standin.script = DrawsSmall()
    assert world.call("batch", "jobs.jsonl", env=words).code == 0
    assert not any(path.exists() for path in left)


# How large they are


@pytest.mark.ci
def test_five_references_of_14_mb_upload_less_than_64_mb(lab):
    world = lab(script=DrawsSmall())
    references = [encoded(2199, seed) for seed in range(5)]
    assert min(map(len, references)) > 14_500_000
    done = world.run("-p", "a fox", *put(world, *references), "-o", "fox.png", "--json", timeout=170)
    assert (done.code, (world.work / "fox.png").read_bytes()) == (0, small_png("a fox"))
    assert uploaded(world) < MAX_UPLOAD
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced"] * 5
    assert len(checks.shown_pictures(checks.requests(world)[0])) == 5
    assert [pixels(one)[0] for one in checks.tool_references(world)] == ["JPEG"] * 5


@pytest.mark.ci
def test_reference_of_14_mb_arrives_unchanged(lab):
    world = lab(script=DrawsSmall())
    reference = encoded(2199)
    done = world.run("-p", "a fox", *put(world, reference), "-o", "fox.png", timeout=170)
    assert (done.code, done.err) == (0, "")
    assert checks.tool_references(world) == [reference]


# The same with a hundredth of the limits, and of the references


def small_limits(world, *arguments: str):
    """A run that may send 1 MB of references together, and 280 KB of each."""
    upload = "codex_imagegen.codex.backend"
    limits = {f"{upload}.MAX_BYTES": 3_500_000, f"{upload}.MAX_DATA_URL": DATA_URL}
    return world.run_argv([*patched_command.argv(limits), *world.argv(*arguments)[1:]], timeout=170)


def test_references_larger_than_their_limit_together_are_all_reduced(lab):
    world = lab(builds.OLDEST, script=DrawsSmall())
    references = [encoded(290, seed) for seed in range(5)]
    assert min(map(len, references)) > 250_000
    done = small_limits(world, "-p", "a fox", *put(world, *references), "-o", "fox.png", "--json")
    assert (done.code, (world.work / "fox.png").read_bytes()) == (0, small_png("a fox"))
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced"] * 5
    for number, warning in enumerate(done.json["warnings"]):
        assert f"ref-{number}.png" in warning["message"]
        assert f"{render.size(len(references[number]))} (PNG, 290 × 290)" in warning["message"]
    sent = checks.shown_pictures(checks.requests(world)[0])
    assert sum(map(len, sent)) <= 1_000_000
    assert [pixels(one)[0] for one in sent] == ["JPEG"] * 5


def test_reference_larger_than_its_limit_is_reduced_and_those_just_below_it_are_not(lab):
    world = lab(script=DrawsSmall())
    small, large = encoded(304), encoded(320)
    assert 0.98 < len(small) * 4 / 3 / DATA_URL < 1
    assert len(large) * 4 // 3 > DATA_URL
    done = small_limits(world, "-p", "a fox", *put(world, small, large, small), "-o", "fox.png")
    assert done.code == 0
    assert done.err.count("\n") == 1
    assert "'ref-1.png' is too large to send" in done.err
    first, second, third = checks.tool_references(world)
    assert first == third == small
    assert pixels(second) == ("JPEG", (320, 320))
    assert len(second) * 4 // 3 < DATA_URL


@pytest.mark.parametrize("version", [builds.NEWEST, pytest.param(builds.OLDEST, marks=pytest.mark.every_build)])
def test_reduced_reference_of_a_refusal_is_not_taken_for_the_result(lab, version):
    """The model looks at the references, makes nothing, and says so; neither the picture nor its copy is delivered."""
    world = lab(version, script=scripts.Refuses())
    done = small_limits(world, "-p", "a fox", *put(world, encoded(320)), "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (7, "refused")
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced"]
    assert not (world.work / "fox.png").exists()


def test_several_pictures_of_a_reduced_reference_warn_once(lab):
    world = lab(script=DrawsSmall())
    words = put(world, encoded(320))
    done = small_limits(world, "-p", "a fox", *words, "-o", "fox.png", "-n", "2", "--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["reference-reduced", "same-as-another"]


def test_batch_job_with_a_reduced_reference_warns(lab):
    world = lab(script=DrawsSmall())
    put(world, encoded(320))
    (world.work / "jobs.jsonl").write_text(json.dumps({"prompt": "an owl", "out": "owl.png", "refs": ["ref-0.png"]}))
    done = small_limits(world, "batch", "jobs.jsonl", "--json")
    assert (done.code, [warning["code"] for warning in done.json["warnings"]]) == (0, ["reference-reduced"])
