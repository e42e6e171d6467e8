"""The page in a real Chromium: mouse, keyboard, touch, accessibility, and hostile text."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import time

import pytest
from PIL import Image

from tests.gallery.page import FOX, SHOWN, entries, page_path, put_hostile, put_three, run_gallery, write_session
from tests.support import chromium, history
from tests.support.pictures import encoded

pytestmark = pytest.mark.ci
NOW = time.time()


def expect(found):
    """Playwright's ``expect``, imported only if a browser runs."""
    from playwright.sync_api import expect as expected

    return expected(found)


@pytest.fixture
def three(world):
    put_three(world, NOW)
    assert run_gallery(world).code == 0
    return world


def view(page):
    return page.locator("#view")


def test_click_opens_a_picture_and_escape_closes_it(three, open_page):
    page = open_page(page_path(three)).page
    expect(page.locator("#count")).to_have_text("3 pictures")
    page.get_by_role("link", name="an owl at night").click()
    expect(view(page)).to_be_visible()
    expect(page.locator("#prompt")).to_have_text("an owl at night")
    expect(page.locator("#details")).to_contain_text("44 × 44")
    page.wait_for_function("document.getElementById('large').src.endsWith('-preview.webp')")
    assert page.evaluate("document.getElementById('large').naturalWidth") == 44
    page.keyboard.press("Escape")
    expect(view(page)).to_be_hidden()
    expect(page.get_by_role("link", name="an owl at night")).to_be_focused()


def test_enter_opens_and_arrows_move(three, open_page):
    page = open_page(page_path(three)).page
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="a red fox")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_have_text("a red fox")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#damage")).to_contain_text("This picture is damaged")
    expect(page.locator("#recover-section")).to_be_hidden()
    expect(page.locator("#next")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#prompt")).to_have_text("an owl at night")
    expect(page.locator("#previous")).to_be_disabled()


def test_view_shows_the_details_of_a_picture(three, open_page):
    page = open_page(page_path(three)).page
    page.get_by_role("link", name="a red fox").click()
    expect(page.locator("#revised")).to_have_text("a fox, drawn\nin two lines", use_inner_text=True)
    expect(page.locator("#references-title")).to_have_text("1 reference")
    assert page.locator("#references img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 64
    expect(page.locator("#recover")).to_have_text(f"{program(three)} recover {entries(three)[1]['thread']}")
    expect(page.locator("#saved")).to_be_hidden()


def test_buttons_copy_prompts_and_command(three, open_page):
    page = open_page(page_path(three), permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("link", name="a red fox").click()
    for button, copied in (
        ("Copy prompt", "a red fox"),
        ("Copy revised prompt", "a fox, drawn\nin two lines"),
        ("Copy command", f"{program(three)} recover {entries(three)[1]['thread']}"),
        ("Copy command to draw it again", f"{program(three)} --prompt 'a red fox'"),
    ):
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator("#message")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == copied


SHELL_HOSTILE = """-n it's $HOME `id` \\'"\\\\ !! \u202e*?~ #|&;<>(){}[]%s
second line\t  $(touch created) 狐 \x1b[2J"""
RECORDER = """#!/bin/sh
printf '%s\\0' "$CODEX_HOME" "$@" END >> "$OUTSIDE/calls"
"""


def run_in_shell(world, shell, command, stdin=b""):
    """Paste a command into a shell; return how the program on its PATH was called, first its CODEX_HOME."""
    outside = world.work.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "calls").unlink(missing_ok=True)
    recorder = outside / "codex-imagegen"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    environment = {"PATH": f"{outside}:/usr/bin:/bin", "OUTSIDE": str(outside), "HOME": str(outside)}
    before = set(os.listdir(world.work))
    done = subprocess.run([shell, "-c", command], cwd=world.work, env=environment, input=stdin, check=True, timeout=30)
    assert (done.returncode, set(os.listdir(world.work))) == (0, before)
    calls = (outside / "calls").read_bytes().decode().split("\0END\0")[:-1]
    return [call.split("\0") for call in calls]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_commands_of_a_hostile_prompt_are_safe_and_work_when_pasted(world, open_page, shell):
    thread = write_session(world, history.user_message(SHELL_HOSTILE), at=NOW)
    folder = world.history.saved(thread, FOX)
    saved = folder / "it's $HOME `id`.png"
    (folder / "call_1.png").rename(saved)
    assert run_gallery(world).code == 0
    page = open_page(page_path(world)).page
    page.locator(".tile a").click()
    recover, change, draw = (page.locator(name).text_content() for name in ("#recover", "#change", "#draw"))
    assert run_in_shell(world, shell, recover) == [[str(world.home), "recover", thread]]
    wish = "make it 'blue' $HOME \\ \"now\""
    called = run_in_shell(world, shell, change, stdin=f"{wish}\n".encode())
    assert called == [[str(world.home), "--prompt", wish, "--ref", str(saved)]]
    prompt = SHELL_HOSTILE.replace("\x1b", "").replace("\u202e", "").strip()
    assert run_in_shell(world, shell, draw) == [[str(world.home), "--prompt", prompt]]


def test_change_of_a_picture_without_a_saved_file_recovers_it_first(three, open_page):
    page = open_page(page_path(three)).page
    page.get_by_role("link", name="an owl at night").click()
    called = run_in_shell(three, "sh", page.locator("#change").text_content(), stdin=b"blue\n")
    name = f"{entries(three)[0]['thread']}.png"
    assert called == [
        [str(three.home), "recover", name.removesuffix(".png"), "--out", name, "--force"],
        [str(three.home), "--prompt", "blue", "--ref", name],
    ]
    expect(page.locator("#draw-title")).to_have_text("Draw it again")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#draw-title")).to_have_text("Draw it again, without its references")
    page.keyboard.press("ArrowRight")  # the damaged one
    for name in ("#recover-section", "#change-section", "#draw-section"):
        expect(page.locator(name)).to_be_hidden()


def test_command_that_would_not_work_is_not_shown(world, open_page):
    write_session(world, history.user_message("-"), at=NOW)
    write_session(world, history.user_message("x" * 9000), data=encoded(50), at=NOW - 1)
    world.history.rollout(
        history.user_message("two"), history.generated_image(encoded(51)),
        history.generated_image(encoded(52), call_id="call_2"), at=NOW - 2,
    )  # fmt: skip
    assert run_gallery(world).code == 0
    page = open_page(page_path(world)).page
    page.locator(".tile a").first.click()
    for draw, change in ((False, True), (False, True), (True, False)):
        for name, is_shown in (("#recover", True), ("#draw", draw), ("#change", change)):
            expect(page.locator(f"{name}-section")).to_be_visible(visible=is_shown)
        page.keyboard.press("ArrowRight")


def test_commands_of_the_default_home_name_no_home(world, open_page):
    home = world.work.parent / "person"
    write_session(world, history.user_message("a fox"))
    home.mkdir()
    (home / ".codex").symlink_to(world.home)
    home_of_codex = os.path.realpath(home / ".codex")
    assert run_gallery(world, HOME=str(home), CODEX_HOME=home_of_codex).code == 0
    page = open_page(page_path(world)).page
    page.get_by_role("link", name="a fox").click()
    expect(page.locator("#draw")).to_have_text("codex-imagegen --prompt 'a fox'")


def program(world):
    """The program as the page's commands call it."""
    return f"CODEX_HOME={shlex.quote(str(world.home))} codex-imagegen"


def test_copy_without_clipboard_permission_works(three, open_page):
    page = open_page(page_path(three)).page
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.get_by_role("link", name="a red fox").click()
    page.get_by_role("button", name="Copy prompt").click()
    expect(page.locator("#message")).to_have_text("Copied")


def test_search_requires_every_word(three, open_page):
    page = open_page(page_path(three)).page
    tiles, thread = page.locator(".tile:visible"), entries(three)[2]["thread"]
    for words, count in (
        ("fox", 1), ("LINES drawn", 1), ("a", 3), ("fox owl", 0), ("44 × 44", 1), (thread, 1), (thread[:7], 0),
    ):  # fmt: skip
        page.fill("#query", words)
        expect(page.locator("#count")).to_have_text(f"{count} of 3")
        expect(tiles).to_have_count(count)
    page.fill("#query", "zebra")
    expect(page.get_by_role("heading", name="No picture matches")).to_be_visible()
    page.get_by_role("button", name="Show all pictures").click()
    expect(tiles).to_have_count(3)
    page.fill("#query", "zebra")
    page.keyboard.press("Escape")
    expect(page.locator("#count")).to_have_text("3 pictures")


def test_arrows_stay_within_the_search_results(three, open_page):
    page = open_page(page_path(three)).page
    page.fill("#query", "torn")
    page.get_by_role("link", name="Damaged picture").click()
    expect(page.locator("#next")).to_be_disabled()
    expect(page.locator("#previous")).to_be_disabled()


def test_address_names_the_picture_and_back_closes_it(three, open_page):
    watched = open_page(page_path(three), name=f"#{entries(three)[1]['id']}")
    page = watched.page
    expect(page.locator("#prompt")).to_have_text("a red fox")
    page.get_by_role("button", name="Close").click()
    expect(view(page)).to_be_hidden()
    page.get_by_role("link", name="an owl at night").click()
    expect(page).to_have_url(f"{page_path(three).as_uri()}#{entries(three)[0]['id']}")
    page.go_back()
    expect(view(page)).to_be_hidden()
    page.go_forward()
    expect(page.locator("#prompt")).to_have_text("an owl at night")


def test_hostile_text_neither_runs_nor_loads(world, open_page):
    put_hostile(world, NOW)
    assert run_gallery(world).code == 0
    watched = open_page(page_path(world))
    page = watched.page
    page.locator(".tile a").nth(0).hover()
    page.locator(".tile a").nth(0).click()
    for _picture in entries(world):
        assert page.locator("#view script, #view iframe, #view svg[onload], main script, main iframe").count() == 0
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.fill("#query", "alert(1)")
    expect(page.locator("#count")).to_have_text("2 of 3")
    assert page.evaluate("entries[1].prompt") == SHOWN
    silent = open_page(page_path(world), java_script_enabled=False).page
    assert silent.locator("main script, main iframe, main svg").count() == 0
    assert silent.locator("main li").nth(1).get_by_role("img").get_attribute("alt") == " ".join(SHOWN.split())


def test_policy_blocks_added_code_and_requests(three, open_page):
    watched = open_page(page_path(three))
    watched.page.evaluate(
        """() => {
            for (const [name, fields] of [
              ["script", {textContent: "window.owned = 1"}], ["style", {textContent: "*{}"}],
              ["img", {src: "http://127.0.0.1:9/x.png"}], ["iframe", {src: "http://127.0.0.1:9/"}]])
              document.body.append(Object.assign(document.createElement(name), fields));
            return fetch("http://127.0.0.1:9/").catch(() => 0);
        }"""
    )
    assert watched.page.evaluate("window.owned") is None
    assert len([trouble for trouble in watched.troubles if "Content Security Policy" in trouble]) >= 5
    watched.troubles.clear()
    watched.requests.clear()


def test_many_pictures_are_rendered_in_part(world, open_page):
    small = [encoded(8, number) for number in range(400)]
    for number, data in enumerate(small):
        world.history.rollout(
            history.user_message(f"number {number}"), history.generated_image(data), at=NOW - 3600 * number
        )
    assert run_gallery(world).code == 0
    page = open_page(page_path(world)).page
    assert 10 < page.locator(".tile").count() < 120
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.get_by_role("link", name="number 399")).to_be_visible()
    assert page.locator(".tile").count() < 120
    page.get_by_role("link", name="number 399").click()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="number 398")).to_be_focused()
    page.set_viewport_size({"width": 390, "height": 844})
    page.fill("#query", "number 123")
    expect(page.locator(".tile")).to_have_count(1)
    numbers = page.evaluate("[...tiles.values()].map((tile) => +tile.dataset.number)")
    assert numbers == [123]


def test_rows_fill_the_width_and_crop_nothing(world, open_page):
    for number, (wide, high) in enumerate([(120, 80), (80, 120), (100, 100), (160, 90), (90, 160)] * 4):
        write_session(
            world,
            history.user_message(f"{wide} by {high}, {number}"),
            data=png(wide, high, number),
            at=NOW - number,
        )
    assert run_gallery(world).code == 0
    page = open_page(page_path(world)).page
    boxes = page.evaluate(
        "rows.map((row) => row.numbers.map((n) => [boxes.get(n).left, boxes.get(n).width, row.height]))"
    )
    width = page.evaluate("document.querySelector('footer p').clientWidth")
    assert width <= 1200 - 40
    for row in boxes[:-1]:
        assert abs(row[-1][0] + row[-1][1] - width) < 1
    ratios = page.evaluate("entries.map((entry) => entry.width / entry.height)")
    placed = [wide / high for row in boxes for _left, wide, high in row]
    assert all(abs(expected - actual) < 0.01 for expected, actual in zip(ratios, placed, strict=True))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def png(wide, high, seed):
    target = io.BytesIO()
    Image.new("RGB", (wide, high), (seed * 9 % 255, 90, 120)).save(target, "PNG")
    return target.getvalue()


PLACES = pytest.mark.parametrize("scheme", ["light", "dark"])


@PLACES
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_no_violations(three, open_page, scheme, width):
    page = open_page(page_path(three), width=width, color_scheme=scheme, reduced_motion="reduce").page
    assert chromium.violations(page) == []
    page.get_by_role("link", name="a red fox").focus()
    page.keyboard.press("Enter")
    assert chromium.violations(page) == []
    page.keyboard.press("Escape")
    page.fill("#query", "zebra")
    assert chromium.violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@PLACES
def test_empty_gallery_has_no_violations(world, open_page, scheme):
    assert run_gallery(world).code == 0
    page = open_page(page_path(world), color_scheme=scheme).page
    expect(page.get_by_role("heading", name="No pictures yet")).to_be_visible()
    expect(page.locator("#query")).to_be_hidden()
    assert chromium.violations(page) == []


def test_swipe_moves_the_view(three, open_page):
    page = open_page(page_path(three), width=390, height=844, has_touch=True, is_mobile=True).page
    page.get_by_role("link", name="an owl at night").tap()
    page.evaluate(
        """() => {
            const stage = document.getElementById("stage");
            const touch = (clientX) => new Touch({identifier: 1, target: stage, clientX, clientY: 80});
            stage.dispatchEvent(new TouchEvent("touchstart", {touches: [touch(300)], changedTouches: [touch(300)]}));
            stage.dispatchEvent(new TouchEvent("touchend", {touches: [], changedTouches: [touch(100)]}));
        }"""
    )
    expect(page.locator("#prompt")).to_have_text("a red fox")


def test_page_without_script_shows_pictures(three, open_page):
    page = open_page(page_path(three), java_script_enabled=False).page
    link = page.get_by_role("link", name="a red fox")
    expect(link).to_be_visible()
    assert link.get_attribute("href").endswith("-preview.webp")
    assert page.locator("li").nth(2).inner_text() == "Damaged picture: a torn one"


def test_view_links_the_file_of_codex(world, open_page):
    thread = write_session(world, history.user_message("a fox"), at=NOW)
    folder = world.history.saved(thread, FOX)
    (folder / "call_1.png").rename(folder / "odd # name?.png")
    assert run_gallery(world).code == 0
    page = open_page(page_path(world)).page
    page.get_by_role("link", name="a fox").click()
    expect(page.locator("#saved")).to_have_attribute("href", (folder / "odd # name?.png").as_uri())
