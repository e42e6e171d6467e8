"""The pages agree with the program: their commands run, and the options and files that they name exist."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from PIL import Image

from codex_imagegen.cli.main import COMMANDS
from tests.contract import golden
from tests.support import checks, docs
from tests.support.checks import DrawsSmall
from tests.support.docs import help_of

TOUR = docs.page("docs/tour.md")
BESIDE = "the-fox-of-image-1-beside-the-one-of-image-2.png"
"""The name that the program makes of a prompt of the tour."""
SAMPLE_THREAD = "01a1fbd6-c978-7991-9f99-2dbaf23c1aa6"


@pytest.mark.every_build
@pytest.mark.real
def test_tour_first_and_last_commands_run(lab):
    """Run the first two pictures, and the commands that spend nothing."""
    world = lab(script=DrawsSmall())
    blocks = TOUR.blocks("sh")
    outcomes = [docs.run_shell(world, blocks[1])]
    before = world.model_calls
    outcomes += [docs.run_shell(world, block) for block in blocks[-3:]]
    assert world.model_calls == before
    assert [done.code for done in outcomes] == [0] * len(outcomes), outcomes
    assert {path.name for path in world.work.iterdir()} == {"fox.png", "asleep.png", BESIDE, "again.png", "SKILL.md"}


@pytest.mark.real
@pytest.mark.ci
def test_tour_runs_from_end_to_end(lab):
    world = lab(script=DrawsSmall())
    outcomes = [docs.run_shell(world, block) for block in TOUR.blocks("sh")]
    assert [done.code for done in outcomes] == [0] * len(outcomes), outcomes
    files = {str(found.relative_to(world.work)) for found in world.work.rglob("*") if found.is_file()}
    assert files >= {
        "hills.png", "fox.png", "asleep.png", BESIDE, "owl.png", "lighthouse-1.png", "lighthouse-2.png", "harbour.webp",
        "bird.png", "firs/0001.png", "firs/summer.png", "again.png", "SKILL.md",
    }  # fmt: skip
    with Image.open(world.work / "harbour.webp") as harbour:
        assert harbour.size == (800, 450)
    assert json.loads((world.work / "bird.json").read_text())["ok"]
    assert world.model_calls == 10  # the second call of the batch, and the commands after it, spent nothing
    assert (world.leftovers, checks.processes(world)) == ([], [])


@pytest.mark.every_build
@pytest.mark.real
def test_examples_of_pictures_batches_and_recovery_run(lab):
    """Run every block of these pages in one home: recovery finds what the others made."""
    world = lab(script=DrawsSmall())
    batch, recover = docs.page("docs/batch.md"), docs.page("docs/recover.md")
    (world.work / "jobs.jsonl").write_text(batch.blocks("json")[0])
    (world.work / "cat.jpg").write_bytes(checks.small_png("a cat"))
    (pictures,) = docs.page("docs/pictures.md").blocks("sh")
    drawn = [docs.run_shell(world, block) for block in (pictures, *batch.blocks("sh"))]
    thread = json.loads(docs.run_shell(world, "codex-imagegen recover --list --json").out)["sessions"][0]["thread_id"]
    blocks = [block.replace(SAMPLE_THREAD, thread) for block in recover.blocks("sh")]
    before = world.model_calls
    found = [docs.run_shell(world, block) for block in blocks]
    assert world.model_calls == before
    assert [done.code for done in (*drawn, *found)] == [0] * (len(drawn) + len(found)), (drawn, found)
    assert docs.pictures(world) - {"cat.jpg"} == {
        *(f"lighthouse-{number}.png" for number in (1, 2, 3, 4)), "icon.png", "harbour.webp",
        "night/the-same-harbour-at-night.png", "trees/0002.png", "trees/0003.png",
        "pictures/fox.png", "pictures/harbour.webp", "pictures/0003.png", "fox.png", f"{thread}.png",
    }  # fmt: skip
    assert f"{SAMPLE_THREAD[:8]}-….png" in recover.text
    assert (world.leftovers, checks.processes(world)) == ([], [])


def test_coming_from_page_names_existing_options():
    pages = "".join(help_of(*([] if name == "generate" else [name])) for name in COMMANDS)
    here = [row[-1] for row in docs.page("docs/coming-from.md").rows() if row[0] != "there"]
    named = {option for cell in here for option in re.findall(r"`[^`]*?(--[a-z][a-z-]+)", cell)}
    assert len(named) > 15
    assert {option for option in named if option not in pages} == set()


@pytest.mark.parametrize("name", docs.PAGES)
def test_links_within_the_project_lead_to_files(name):
    page = docs.page(name)
    assert [link for link in page.links() if not ((docs.ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize("name", [*docs.PAGES, "CHANGELOG.md"])
def test_line_has_at_most_120_columns(name):
    """Except rows of tables, help pages and other output of the program (blocks of ``text``)."""
    text = re.sub(r"^```text\n.*?^```", "", docs.page(name).text, flags=re.MULTILINE | re.DOTALL)
    assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")] == []


PICTURES = sorted((docs.ROOT / "fixtures" / "readme").iterdir())


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_picture_is_on_a_page(path):
    linked = {(docs.ROOT / name).parent / link for name in docs.PAGES for link in docs.page(name).links()}
    assert path.resolve() in {each.resolve() for each in linked}


@pytest.mark.parametrize("name", ["terminal.png", "gallery.png"])
def test_screenshot_has_its_margins_and_no_scroll_bar(name):
    """The outermost pixels on all four sides have the background's colour."""
    with Image.open(docs.ROOT / "fixtures" / "readme" / name) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    sides = [(0, 0, 8, height), (width - 8, 0, width, height), (0, 0, width, 4), (0, height - 4, width, height)]
    assert {image.crop(side).getcolors(8)[0] for side in sides} == {
        ((box[2] - box[0]) * (box[3] - box[1]), image.getpixel((0, 0))) for box in sides
    }


def calls_in(name):
    """The arguments of every call of the program in the shell blocks of a page."""
    return re.findall(r"codex-imagegen ([^|;&#\n]*)", "".join(docs.page(name).blocks("(?:sh|bash|console)")))


def test_shell_examples_are_found():
    assert sum(" --" in f" {line}" for name in docs.PAGES for line in calls_in(name)) > 20


@pytest.mark.parametrize("name", docs.PAGES)
def test_options_in_shell_examples_exist(name):
    """Every call of the program in a shell block uses options that its command has."""
    for line in calls_in(name):
        words = re.findall(r"[\w-]+", re.sub(r"'[^']*'|\"[^\"]*\"", "", line))
        known = next((path for path in reversed(golden.commands()) if words[: len(path)] == [*path]), ())
        page = help_of(*known)
        assert [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", page)] == [], line


def test_tour_is_valid_shell():
    assert subprocess.run(["bash", "-n", "-c", "\n".join(TOUR.blocks("sh"))], check=False).returncode == 0
