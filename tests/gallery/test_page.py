"""The page without a browser: its structure, its data, and the escaping of hostile text."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from tests.gallery.page import (
    FOX,
    SHOWN,
    entries,
    page_path,
    picture_files,
    put_hostile,
    put_three,
    run_gallery,
    write_session,
)
from tests.support import history

NOW = time.time()
ACTIVE = ("script", "style", "svg", "path", "iframe", "object", "embed", "base", "meta", "link", "form")
POLICY = (
    "default-src 'none'; img-src 'self' file:; style-src HASH; script-src HASH; base-uri 'none'; form-action 'none'"
)
SINKS = r"innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|srcdoc|document\.write|\beval\b|\bFunction\("


class Parsed(HTMLParser):
    """All tags with their attributes, in order, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.code: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self.code.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in {"script", "style"} and self.cdata_elem:
            self.code[-1] += data
        else:
            self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def parsed(world):
    def parse() -> Parsed:
        assert run_gallery(world).code == 0
        return Parsed(page_path(world).read_text())

    return parse


def test_page_with_hostile_text_has_no_tag_or_handler_of_it(world, parsed):
    empty = parsed()
    put_hostile(world, NOW)
    found = parsed()
    assert [len(found.all(tag)) for tag in ACTIVE] == [len(empty.all(tag)) for tag in ACTIVE]
    assert [name for _tag, attributes in found.tags for name in attributes if name.startswith("on")] == []
    named = [attributes.get(name) for _tag, attributes in found.tags for name in ("href", "src") if name in attributes]
    assert len(named) > 2
    assert {urlsplit(address or "").scheme for address in named} <= {"", "file"}
    assert {urlsplit(address or "").netloc for address in named} == {""}
    assert all("//example.com" not in (attributes.get("src") or "") for attributes in found.all("img"))


def test_page_data_keeps_hostile_text_as_text(world, parsed):
    put_hostile(world, NOW)
    parsed()
    found = entries(world)
    assert [entry["prompt"] for entry in found if entry["prompt"]] == [SHOWN] * 2
    assert [entry["revised"] for entry in found if entry["revised"]] == [f"{SHOWN}, revised"]
    assert len({entry["id"] for entry in found}) == len(found) == 3


def test_page_policy_names_its_own_style_and_script_only(world, parsed):
    put_three(world, NOW)
    found = parsed()
    (policy,) = [meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    hashes = set(re.findall(r"'sha256-([^']+)'", policy))
    code = {base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in found.code}
    assert len(hashes) == 2
    assert hashes <= code
    assert re.sub(r"'sha256-[^']+'", "HASH", policy) == POLICY


def test_page_script_makes_no_markup_or_code_of_text(parsed):
    """The script has no function that turns text into markup or code; CI tests it in a browser."""
    script = max(parsed().code, key=lambda part: part.count("createElement"))
    assert script.count("createElement") > 2
    assert re.findall(SINKS, script) == []


def test_page_without_script_links_every_whole_picture(world, parsed):
    put_three(world, NOW)
    found = parsed()
    links = [link["href"] for link in found.all("a") if "-preview.webp" in (link.get("href") or "")]
    assert len(links) == 2
    assert all(link.rpartition("/")[2] in picture_files(world) for link in links)
    assert {"an owl at night", "a red fox"} <= {image.get("alt") for image in found.all("img")}
    assert "Damaged picture: a torn one" in found.words


def test_page_data_has_the_metadata_of_a_picture(world, parsed):
    put_three(world, NOW)
    parsed()
    owl, fox, damaged = entries(world)
    assert (fox["revised"], fox["referenceCount"], len(fox["references"])) == ("a fox, drawn\nin two lines", 1, 1)
    assert (owl["prompt"], owl["size"], owl["damage"]) == ("an owl at night", "44 × 44", None)
    assert damaged["damage"]


def test_page_data_links_the_file_that_codex_saved(world, parsed):
    thread = write_session(world, history.user_message("a fox"), at=NOW)
    folder = world.history.saved(thread, FOX)
    (folder / "call_1.png").rename(folder / "odd # name?.png")
    parsed()
    assert entries(world)[0]["saved"] == (folder / "odd # name?.png").as_uri()


def test_page_of_an_empty_home_says_so(parsed):
    assert "No pictures yet" in parsed().words


def test_page_of_many_pictures_shows_each_once(world, parsed):
    for number in range(30):
        write_session(
            world, history.user_message(f"number {number}"), data=FOX + b"\0" * number, at=NOW - 3600 * number
        )
    parsed()
    assert [entry["prompt"] for entry in entries(world)] == [f"number {number}" for number in range(30)]
