"""Job files: the keys of a line, and what is refused before the first run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.batches.job_file import MAX_LINE
from codex_imagegen.batches.jobs import Job, Jobs, job_key
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.request import ImageOptions, Request
from tests.support.pictures import encoded, torn


@pytest.fixture(autouse=True)
def codex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Codex on PATH that is found and never run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "codex"
    command.write_text("#!/bin/sh\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return str(command)


def listed(*lines: str | bytes | dict[str, Any], name: str = "jobs", **defaults: Any) -> Jobs:
    texts = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    source = b"\n".join(text.encode() if isinstance(text, str) else text for text in texts)
    return Jobs(io.BytesIO(source), name, out_dir="out", defaults=defaults)


def read(jobs: Jobs) -> list[Job]:
    with jobs:
        count = jobs.check(lambda: None)
        found = [jobs.job(line) for line in jobs]
    assert len(found) == count
    return found


def refused(*lines: str | bytes | dict[str, Any], name: str = "jobs", **defaults: Any) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        read(listed(*lines, name=name, **defaults))
    assert caught.value.hint
    return caught.value


def test_line_of_plain_text_is_a_prompt_word_for_word(tmp_path: Path) -> None:
    jobs = read(listed(b'\xef\xbb\xbf  a "fox", it\'s #1 \r\n', "", "   ", "[an owl]", "{no json"))
    assert [job.request.prompt for job in jobs] == ['  a "fox", it\'s #1 ', "[an owl]", "{no json"]
    assert [job.line for job in jobs] == [1, 5, 6]
    assert [Path(job.out).name for job in jobs] == ["0001.png", "0005.png", "0006.png"]
    assert Path(jobs[0].out).parent == tmp_path / "out"


def test_job_may_have_every_option_by_its_name(codex: str, tmp_path: Path) -> None:
    (tmp_path / "ref.png").write_bytes(encoded())
    (job,) = read(
        listed(
            {
                "prompt": "fox", "ref": "ref.png", "out": "a/fox.webp", "timeout-sec": 7, "force": True,
                "full-turn": True, "codex": codex, "model": "m", "codex-arg": ["-c", "x=1"], "size": "10x20",
                "aspect-ratio": "1:2", "resolution": "2K", "quality": "low", "transparent": True, "format": "webp",
                "fit": True, "backend": "codex",
            }
        )
    )  # fmt: skip
    request = job.request
    assert (request.prompt, request.refs, request.out) == ("fox", ("ref.png",), str(tmp_path / "out/a/fox.webp"))
    assert (request.timeout_sec, request.force, request.full_turn) == (7.0, True, True)
    assert (request.codex, request.model, request.codex_args) == (codex, "m", ("-c", "x=1"))
    assert request.image_options == ImageOptions(
        (10, 20), "1:2", "2k", "low", transparent=True, format="webp", fit=True
    )


def test_default_holds_where_a_job_has_no_value_or_null() -> None:
    one, two, three = read(
        listed(
            {"prompt": "a"},
            {"prompt": "b", "quality": "high", "timeout_sec": 1},
            {"prompt": "c", "quality": None, "format": "jpg"},
            quality="low",
            timeout_sec=9,
            format="webp",
        )
    )
    assert [job.request.image_options.quality for job in (one, two, three)] == ["low", "high", "low"]
    assert [job.request.timeout_sec for job in (one, two, three)] == [9, 1, 9]
    assert [Path(job.out).name for job in (one, two, three)] == ["0001.webp", "0002.webp", "0003.jpg"]


def test_out_without_a_dot_gets_the_suffix_of_the_format() -> None:
    one, two = read(listed({"prompt": "a", "out": "x.y/fox"}, {"prompt": "a", "out": "owl", "format": "jpeg"}))
    assert [Path(job.out).name for job in (one, two)] == ["fox.png", "owl.jpg"]


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({}, "no prompt"),
        ({"prompt": " "}, "empty"),
        ({"prompt": 3}, "'prompt' must be a string"),
        ({"prompt": "a", "promt": "b"}, "'promt' is not a key"),
        ({"prompt": "a", "count": 2}, "'count' can't be set for one job"),
        ({"prompt": "a", "open": True}, "'open' can't be set for one job"),
        ({"prompt": "a", "timeout-sec": 1, "timeout_sec": 2}, "twice"),
        ({"prompt": "a", "timeout_sec": "soon"}, "must be a number of seconds, or a time such as 90s"),
        ({"prompt": "a", "timeout_sec": True}, "must be a number"),
        ({"prompt": "a", "timeout_sec": 0}, "--timeout-sec can't be 0"),
        ({"prompt": "a", "timeout_sec": 10**400}, "--timeout-sec can't be"),
        ({"prompt": "a", "force": "yes"}, "must be true or false"),
        ({"prompt": "a", "refs": [1]}, "must be a list of strings"),
        ({"prompt": "a", "refs": ["a.png"] * 6}, "6 references"),
        ({"prompt": "a", "out": ""}, "'out' can't be"),
        ({"prompt": "a", "out": "-"}, "'out' can't be"),
        ({"prompt": "a", "out": "sub/"}, "'out' can't be"),
        ({"prompt": "a", "out": "a\0.png"}, "'out' can't be"),
        ({"prompt": "a", "out": "a.gif"}, "'out' can't be"),
        ({"prompt": "a", "out": "a."}, "'out' can't be"),
        ({"prompt": "a", "out": "a.png", "format": "webp"}, "contradict"),
        ({"prompt": "a", "out": "a.jpg", "transparent": True}, "a JPEG can't be transparent"),
        ({"prompt": "a", "size": "huge"}, "--size can't be"),
        ({"prompt": "a", "fit": True}, "--fit needs a size"),
        ({"prompt": "a", "backend": "dall-e"}, "no backend"),
        ({"prompt": "a\0b"}, "NUL"),
        (b'{"prompt": "\\ud800"}', "valid Unicode"),
        (b'{"prompt": "a", "prompt": "b"}', "twice"),
        (b'{"prompt": "a"', "not a JSON object"),
        (b'{"prompt": "\xff"}', "not a JSON object"),
        (b"{" * 100_000, "not a JSON object"),
    ],
)
def test_wrong_job_is_refused_with_its_line(job: Any, words: str) -> None:
    error = refused({"prompt": "good", "out": "good.png"}, job)
    assert (error.code, error.exit_code, error.spent) == ("usage", 2, False)
    assert error.message.startswith("line 2: ")
    assert words in error.message


def test_mistyped_key_gets_a_suggestion() -> None:
    assert refused({"prompt": "a", "time_out_sec": 3}).hint == "did you mean 'timeout_sec'?"


@pytest.mark.parametrize(
    ("key", "meant"),
    [("output", "out"), ("image", "refs"), ("timeout", "timeout_sec"), ("trans", "transparent"), ("TEXT", "prompt")],
)
def test_key_of_another_program_gets_a_suggestion(key: str, meant: str) -> None:
    assert refused({"prompt": "a", key: "x"}).hint == f"did you mean {meant!r}?"


def test_paths_of_a_job_may_begin_with_the_home_folder(own_home: Path) -> None:
    (own_home / "ref.png").write_bytes(encoded())
    (job,) = read(listed({"prompt": "~/a", "out": "~/a.png", "refs": ["~/ref.png"], "model": "~/m"}))
    assert (job.request.out, job.request.refs) == (str(own_home / "a.png"), (str(own_home / "ref.png"),))
    assert (job.request.prompt, job.request.model) == ("~/a", "~/m")
    (job,) = read(listed({"prompt": "a", "out": "./~/a.png"}))
    assert job.request.out == str(Path("out/~/a.png").absolute())


@pytest.mark.parametrize(("value", "seconds"), [("5m", 300), ("90s", 90), ("7", 7), (7, 7)])
def test_time_limit_of_a_job_may_have_a_unit(value: Any, seconds: float) -> None:
    (job,) = read(listed({"prompt": "a", "timeout_sec": value}))
    assert job.request.timeout_sec == seconds


@pytest.mark.parametrize("name", ["jobs.jsonl", "JOBS.NDJSON", "jobs.json"])
def test_file_named_as_json_is_not_read_as_text(name: str) -> None:
    assert "not a JSON object" in refused("a fox", name=name).message


def test_list_without_jobs_is_refused() -> None:
    assert "no jobs in 'jobs'" in refused("", "  ", "").message


def test_line_above_the_longest_is_refused() -> None:
    error = refused("a", b"x" * (MAX_LINE + 1))
    assert error.message.startswith("line 2: it is longer")


def test_every_wrong_line_is_named_and_the_first_gives_code_and_hint() -> None:
    error = refused({"prompt": "a"}, {"timeoutsec": 1}, {"prompt": "b"}, {"y": 1}, {"prompt": "c", "refs": ["no.png"]})
    first, *parts = error.message.split("; ")
    assert first == "3 of 5 lines are wrong"
    assert [part.partition(": ")[0] for part in parts] == ["line 2", "line 4", "line 5"]
    assert parts[0].endswith("'timeoutsec' is not a key of a job")
    assert (error.code, error.exit_code, error.hint) == ("usage", 2, "line 2: did you mean 'timeout_sec'?")
    assert refused({"prompt": "a", "refs": ["no.png"]}, {"y": 1}).code == "ref-missing"


def test_lines_with_the_same_mistake_are_named_together() -> None:
    error = refused(*({"prompt": f"a {number}"} for number in range(7)), size="huge")
    assert error.message.startswith("7 of 7 lines are wrong; lines 1, 2, 3, 4, 5 and 2 more: --size can't be")
    assert error.message.count("--size can't be") == 1


def test_only_the_first_of_many_different_mistakes_are_printed() -> None:
    error = refused(*({f"key{number}": 1} for number in range(1, 31)))
    assert error.message.startswith("30 of 30 lines are wrong; line 1: 'key1' is not")
    assert error.message.endswith("; line 20: 'key20' is not a key of a job; and 10 more lines")


def test_line_that_begins_with_a_number_sign_is_a_comment_that_still_counts(tmp_path: Path) -> None:
    texts = read(listed(b"\xef\xbb\xbf# 'foxes'", "a fox", "#an owl", " # is a prompt"))
    assert [(job.line, job.request.prompt) for job in texts] == [(2, "a fox"), (4, " # is a prompt")]
    assert [Path(job.out).name for job in texts] == ["0002.png", "0004.png"]
    (lines,) = read(listed("# {", {"prompt": "# with a number sign"}, "#", name="jobs.jsonl"))
    assert (lines.line, lines.request.prompt) == (2, "# with a number sign")
    assert read(listed("# a comment first", {"prompt": "a fox"}))[0].request.prompt == "a fox"
    assert "no jobs" in refused("# only a comment").message
    assert lines.key == read(listed("", {"prompt": "# with a number sign"}))[0].key


@pytest.mark.parametrize("name", ["jobs.csv", "a/JOBS.TSV", "list.xlsx", "list.ods"])
def test_table_is_refused_by_its_name_with_the_form_that_works(name: str) -> None:
    error = refused("prompt,out", "a fox,fox.png", name=name)
    assert f"{name!r} is a table" in error.message
    assert '{"prompt": ' in str(error.hint)


@pytest.mark.parametrize(
    "header", ["prompt,out", "Prompt;Out", "id\tprompt", '"prompt", "out", "size"', "prompt", "PROMPT,"]
)
def test_header_of_a_table_is_no_prompt(header: str) -> None:
    assert "table" in refused(header, "a fox,fox.png").message


@pytest.mark.parametrize(
    "first", ["prompt me, fox", "a fox, an owl", "promptly, red", "a prompt: out", "prompt. out, red!"]
)
def test_prompt_that_is_no_header_is_drawn(first: str) -> None:
    assert read(listed(first))[0].request.prompt == first


@pytest.mark.parametrize("first", ["[", '[{"prompt": "a fox"},', "  [ {"])
@pytest.mark.parametrize("name", ["jobs.txt", "jobs.json"])
def test_json_array_is_refused_once(first: str, name: str) -> None:
    error = refused(first, '{"prompt": "an owl"}]', name=name)
    assert (error.message, error.exit_code) == ("the job file is a JSON array", 2)


@pytest.mark.parametrize("data", [encoded(), "a fox\nan owl".encode("utf-16")], ids=["picture", "utf-16"])
def test_file_that_is_not_text_is_refused_once(data: bytes) -> None:
    assert refused(data, name="cat.png").message == "the job file 'cat.png' is not text"


def test_references_are_checked_before_the_first_run(tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(torn(encoded()))
    (tmp_path / "text.png").write_text("no picture")
    for name, code in (("none.png", "ref-missing"), ("half.png", "ref-not-image"), ("text.png", "ref-not-image")):
        error = refused({"prompt": "a"}, {"prompt": "b", "refs": [name]})
        assert (error.code, error.exit_code) == (code, 4)
        assert error.message.startswith("line 2: ")


def test_missing_codex_is_reported_before_the_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    error = refused("a fox")
    assert (error.code, error.exit_code) == ("codex-missing", 3)


def test_two_jobs_with_one_output_are_refused_however_it_is_spelt(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for other in ("fox.png", "./sub/../fox.png", str(tmp_path / "link/fox.png")):
        error = refused({"prompt": "a", "out": "fox.png"}, {"prompt": "b", "out": other})
        assert "is also that of line 1" in error.message
    assert "is also that of line 1" in refused({"prompt": "a", "out": "0002.png"}, {"prompt": "b"}).message


def test_check_passes_on_what_its_callback_raises() -> None:
    def stop() -> None:
        raise UsageError("stop")

    with listed("a", "b") as jobs, pytest.raises(UsageError, match="stop"):
        jobs.check(stop)


# The key of a job


def key(line: dict[str, Any], **defaults: Any) -> bytes:
    return read(listed(line, **defaults))[0].key


def test_job_key_is_the_same_for_the_same_picture_only(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(seed=1))
    (tmp_path / "copy.png").write_bytes(encoded(seed=1))
    (tmp_path / "b.png").write_bytes(encoded(seed=2))
    fox = {"prompt": "a fox", "out": "x.png", "refs": ["a.png"]}
    same = [fox, {**fox, "refs": ["copy.png"]}, {**fox, "timeout_sec": 5, "force": True}, {**fox, "out": "./x.png"}]
    assert len({key(line) for line in same}) == 1
    others = [
        {**fox, "prompt": "a Fox"}, {**fox, "out": "y.png"}, {**fox, "refs": ["b.png"]}, {**fox, "refs": []},
        {**fox, "model": "m"}, {**fox, "size": "8x8"}, {**fox, "quality": "low"}, {**fox, "full_turn": True},
        {**fox, "codex_args": ["-c", "x=1"]}, {**fox, "refs": ["a.png", "a.png"]},
    ]  # fmt: skip
    assert len({key(line) for line in [fox, *others]}) == len(others) + 1
    assert key(fox, quality="low") == key({**fox, "quality": "low"})


def test_job_key_of_an_older_journal_is_still_found() -> None:
    request = Request("a red fox", image_options=ImageOptions(size=(1536, 1024), quality="high", format="webp"))
    assert job_key(request, "fox.png", [bytes(32)]).hex() == "17063bd200b519b814179205b255feed"
    assert job_key(Request("a red fox"), "0001.png", []).hex() == "55742acc97ba9ccd060993e8e6512e6b"


def test_changed_reference_changes_the_job_key(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(seed=1))
    with listed({"prompt": "a", "refs": ["a.png"]}) as jobs:
        jobs.check(lambda: None)
        (line,) = jobs
        before = jobs.job(line).key
        assert jobs.job(line).key == before
        (tmp_path / "a.png").write_bytes(encoded(seed=2, side=40))
        assert jobs.job(line).key != before


def test_list_edited_during_the_batch_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jobs.txt"
    path.write_text("a fox\nan owl\n")
    with path.open("rb") as source, Jobs(source, "jobs.txt", out_dir=".", defaults={}) as jobs:
        path.write_text("something else\n")
        assert jobs.check(lambda: None) == 2
        assert [jobs.job(line).request.prompt for line in jobs] == ["a fox", "an owl"]
