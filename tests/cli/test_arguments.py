"""What one types: a prompt without ``--prompt``, and every slip that is answered with the command that was meant."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
import pytest

from codex_imagegen import generation
from codex_imagegen.cli import arguments, main
from codex_imagegen.request import Request
from tests.support.checks import DrawsSmall, small_png
from tests.support.in_process import call
from tests.support.keyboard import Keyboard
from tests.support.lab import COMMAND
from tests.support.outcome import Outcome


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that arguments may name, as the working folder."""
    work = tmp_path / "work"
    (work / "red fox").mkdir(parents=True)
    for name in ("sketch.png", "b.png", "notes.txt", "jobs.jsonl", "owl at night.png", "ä.png", "my prompt.md"):
        (work / name).write_text("x")
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that would be sent; none is."""
    found: list[Request] = []

    def generate(request: Request, **_: object) -> None:
        found.append(request)
        raise click.exceptions.Exit(0)

    monkeypatch.setattr(generation, "generate", generate)
    return found


def refuse(*words: str) -> Outcome:
    done = call(*words)
    assert (done.code, done.out) == (2, b""), done
    assert done.err.startswith("codex-imagegen: ")
    assert done.err.count("\n") == 1
    return done


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["a red fox"], "a red fox"),
        (["Füchse"], "Füchse"),
        (["狐狸"], "狐狸"),
        (["a\nb"], "a\nb"),
        (["recover a lost city"], "recover a lost city"),
        (["doctor in a forest"], "doctor in a forest"),
        (["list of birds"], "list of birds"),
        (["red fox"], "red fox"),
        (["--out", "fox.png", "a red fox"], "a red fox"),
        (["a red fox", "--out", "fox.png", "--quiet"], "a red fox"),
        (["generate", "a red fox"], "a red fox"),
        (["--", "-5 degrees, ice"], "-5 degrees, ice"),
        (["generate", "--quiet", "--", "--help me"], "--help me"),
        (["turn it into b.png", "--ref", "sketch.png"], "turn it into b.png"),
        (["--ref", "sketch.png", "turn it into b.png"], "turn it into b.png"),
        (["--out", "fox", "a drawing named fox.png"], "a drawing named fox.png"),
        (["-"], "a prompt from stdin"),
        (["--prompt", "-"], "a prompt from stdin"),
        (["--prompt", "fox"], "fox"),
        (["--prompt", "doctor --live"], "doctor --live"),
        (["--prompt", "sketch.png"], "sketch.png"),
        (["--prompt-file", "notes.txt"], "x"),
        (["-pred fox"], "red fox"),
        (["--prompt", "--a story"], "--a story"),
        (["--prompt", "--out of the dark"], "--out of the dark"),
        (["--codex-arg", "--json", "a fox"], "a fox"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_prompt_is_taken_word_for_word(words: list[str], prompt: str, requests: list[Request]) -> None:
    done = call(*words, stdin=b"a prompt from stdin")
    assert done.code == 0, done
    assert [request.prompt for request in requests] == [prompt]


@pytest.mark.parametrize("words", [["--", "a fox", "--dry-run"], ["--", "--last"], ["--", "a fox", "--out=x.png"]])
def test_option_behind_two_dashes_is_refused(words: list[str], requests: list[Request]) -> None:
    done = call(*words)
    assert (done.code, requests) == (2, [])
    assert done.err.endswith("comes after --, where no option is read. (give the options before --)\n")


def test_prompt_as_an_argument_draws_the_picture(lab):
    world = lab(script=DrawsSmall())
    done = world.run("a red fox", "--out", "fox.png")
    assert (done.code, done.lines) == (0, [str(world.work / "fox.png")])
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")


SLIPS = [
    # commands
    ("galery", "codex-imagegen gallery"),
    ("btach", "codex-imagegen batch"),
    ("galery --open", "codex-imagegen gallery --open"),
    ("galery --help", "codex-imagegen gallery --help"),
    ("btach notes.txt --out-dir pics", "codex-imagegen batch notes.txt --out-dir pics"),
    ("Gallery", "codex-imagegen gallery"),
    ("gener", "codex-imagegen generate"),
    ("genrate --count x", "codex-imagegen generate --count x"),
    ("skull", "codex-imagegen skill"),
    ("--quiet gallery", "codex-imagegen gallery --quiet"),
    ("--live doctor", "codex-imagegen doctor --live"),
    ("-- gallery", "codex-imagegen gallery"),
    ("--quiet galery", "codex-imagegen gallery"),
    ("help galery", "codex-imagegen help gallery"),
    ("help nonsense", "codex-imagegen --help"),
    ("version x", "codex-imagegen version"),
    ("runcomfy statsu", "codex-imagegen runcomfy status"),
    ("skill instal", "codex-imagegen skill install"),
    # one word
    ("fox", "codex-imagegen --prompt fox"),
    ("fox --out fox.png", "codex-imagegen --prompt fox --out fox.png"),
    ("generate fox", "codex-imagegen --prompt fox"),
    ("-- -5", "codex-imagegen --prompt -5"),
    ("fox.png", "codex-imagegen 'what to draw' --out fox.png"),
    ("'doctor --live'", "codex-imagegen doctor --live"),
    ("'batch notes.txt'", "codex-imagegen batch notes.txt"),
    ("'help -h'", "codex-imagegen help -h"),
    # several words
    ("a red fox", "codex-imagegen 'a red fox'"),
    ("a --quiet red fox --out fox.png", "codex-imagegen 'a red fox' --quiet --out fox.png"),
    ("generate a red fox", "codex-imagegen 'a red fox'"),
    ("draw a red fox", "codex-imagegen 'a red fox'"),
    ("show me a fox", "codex-imagegen 'show me a fox'"),
    ("galery of my pictures", "codex-imagegen 'galery of my pictures'"),
    ("it\\'s a fox", 'codex-imagegen "it\'s a fox"'),
    ("a \\$5 fox", "codex-imagegen 'a $5 fox'"),
    ("“a red fox”", "codex-imagegen 'a red fox'"),
    ("'a fox' 'in snow'", "codex-imagegen 'a fox in snow'"),
    ("'a red fox' fox.png", "codex-imagegen 'a red fox' --out fox.png"),
    ("'a red fox' sketch.png b.png", "codex-imagegen 'a red fox' --ref sketch.png --ref b.png"),
    ("sketch.png b.png", "codex-imagegen 'what to change' --ref sketch.png --ref b.png"),
    ("edit sketch.png 'make it blue'", "codex-imagegen 'make it blue' --ref sketch.png"),
    ("--prompt a red fox -q", "codex-imagegen --prompt 'a red fox' -q"),
    ("--prompt=a red fox", "codex-imagegen --prompt 'a red fox'"),
    ("'a fox' --out my fox.png -q", "codex-imagegen 'a fox' --out 'my fox.png' -q"),
    ("--prompt-file my prompt.md", "codex-imagegen --prompt-file 'my prompt.md'"),
    ("'a fox' --ref owl at night.png", "codex-imagegen 'a fox' --ref 'owl at night.png'"),
    ("'-5 degrees, ice' -q", "codex-imagegen --prompt '-5 degrees, ice' -q"),
    # files
    ("sketch.png", "codex-imagegen 'what to change' --ref sketch.png"),
    ("'owl at night.png'", "codex-imagegen 'what to change' --ref 'owl at night.png'"),
    ("ä.png", "codex-imagegen 'what to change' --ref 'ä.png'"),
    ("notes.txt -q", "codex-imagegen --prompt-file notes.txt -q"),
    ("jobs.jsonl", "codex-imagegen batch jobs.jsonl"),
    ("--prompt 'a fox' sketch.png", "codex-imagegen --prompt 'a fox' --ref sketch.png"),
    ("'a fox' --ref sketch.png b.png -q", "codex-imagegen 'a fox' --ref sketch.png --ref b.png -q"),
    ("--ref sketch.png b.png 'a fox'", "codex-imagegen --ref sketch.png --ref b.png 'a fox'"),
    ("--ref=sketch.png b.png c.png -p 'a fox'", "codex-imagegen --ref sketch.png --ref b.png --ref c.png -p 'a fox'"),
]


@pytest.mark.parametrize(("typed", "meant"), SLIPS, ids=[typed for typed, _ in SLIPS])
@pytest.mark.usefixtures("folder")
def test_slip_is_answered_with_the_command_that_was_meant(
    typed: str, meant: str, requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(typed)
    assert f": {meant})\n" in refuse(*words).err
    assert requests == []


@pytest.mark.parametrize("meant", sorted({meant for _, meant in SLIPS}))
@pytest.mark.usefixtures("folder")
def test_command_that_is_offered_is_no_slip_itself(meant: str, requests: list[Request]) -> None:
    command, *rest = shlex.split(meant)[1:]
    if command not in main.COMMANDS:
        assert call(command, *rest).code == 0
        assert len(requests) == (command not in {"help", "version", "--help"})


def test_slip_with_json_is_one_object() -> None:
    error = call("galery", "--json").json["error"]
    assert (error["code"], error["spent"]) == ("usage", False)
    assert error["hint"].split("\n") == ["did you mean:", "codex-imagegen gallery --json"]


ANSWERED = [
    ("list", "codex-imagegen recover --list"),
    ("ls -l", "codex-imagegen recover --list"),
    ("history", "codex-imagegen recover --list"),
    ("list all", "codex-imagegen recover --list"),
    ("login", "codex login"),
    ("logout", "codex logout"),
    ("status --json", "codex-imagegen doctor"),
    ("edit", 'codex-imagegen "what to change" --ref picture.png'),
    *((word, 'codex-imagegen "a red fox in the snow"') for word in ("draw", "create", "new", "make", "image", "IMAGE")),
    ("init", "codex-imagegen doctor"),
    ("update", "pipx upgrade codex-imagegen"),
    ("config", "codex-imagegen --help"),
    ("clean", "codex-imagegen prune"),
    ("--quiet clean", "codex-imagegen prune"),
]


@pytest.mark.parametrize(("typed", "command"), ANSWERED, ids=[typed for typed, _ in ANSWERED])
def test_alias_is_answered_and_never_run(typed: str, command: str, requests: list[Request]) -> None:
    assert f": {command})\n" in call(*typed.split()).err
    assert call(*typed.split()).code == 2
    assert requests == []


def test_every_answer_names_a_command_that_exists() -> None:
    for _, command in arguments._ANSWERS.values():
        program, *words = shlex.split(command)
        if program == "codex-imagegen":
            assert words[0] in main.COMMANDS or words[0][0] == "-" or len(words[0].split()) > 1


def test_help_and_version_do_what_they_say() -> None:
    assert call("help").out == call("--help").out
    assert call("help", "help").out == call("--help").out
    assert call("help", "batch").out == call("batch", "--help").out
    assert call("help", "runcomfy", "wait").out == call("runcomfy", "wait", "--help").out
    assert call("version").out == call("--version").out
    assert {call(*words).code for words in (["help"], ["help", "batch"], ["version"])} == {0}


OPTIONS = [
    ("--output x", "--out"),
    ("--outfile x", "--out"),
    ("-O x", "--out"),
    ("--image x", "--ref"),
    ("--input x", "--ref"),
    ("--reference x", "--ref"),
    ("-i x", "--ref"),
    ("--timeout 5", "--timeout-sec"),
    ("--n 3", "--count"),
    ("--num 3", "--count"),
    ("--ratio 1:1", "--aspect-ratio"),
    ("--aspect 1:1", "--aspect-ratio"),
    ("--overwrite", "--force"),
    ("--trans", "--transparent"),
    ("--timeout_sec 5", "--timeout-sec"),
    ("--OUT x", "--out"),
    ("--promt x", "--prompt"),
    ("--jsno", "--json"),
    ("--refs x", "--ref"),
    ("--re x", "--ref or --resolution"),
    ("-out x.png", "--out"),
    ("-out=x.png", "--out"),
    ("-ref sketch.png", "--ref"),
    ("-json", "--json"),
    ("-o=x.png", "-o x.png"),
    ("-V", "--version"),
    ("–out x.png", "--out"),
    ("--output=x", "--out"),
]


@pytest.mark.parametrize(("typed", "meant"), OPTIONS, ids=[typed for typed, _ in OPTIONS])
@pytest.mark.usefixtures("folder")
def test_mistyped_option_is_answered_with_the_one_that_was_meant(
    typed: str, meant: str, requests: list[Request]
) -> None:
    assert f"(did you mean {meant}?)" in refuse("a red fox", *shlex.split(typed)).err
    assert f"(did you mean {meant}?)" in refuse(*shlex.split(typed), "--prompt", "a fox").err
    assert requests == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("-prompt='a red fox'", "did you mean --prompt?"),
        ("-p='a red fox'", "did you mean -p 'a red fox'?"),
        ("—help", "did you mean --help?"),
        ("'a fox' --list", "it is an option of: codex-imagegen recover --list"),
        ("'a fox' --since 3d", "it is an option of: codex-imagegen recover --since WHEN"),
        ("batch x --ref y", "it is an option of: codex-imagegen --ref FILE"),
        ("skill --dir x", "it is an option of: codex-imagegen skill install --dir DIR"),
        ("batch --timeout 5", "did you mean --timeout-sec?"),
        ("batch --output x", "did you mean --out-dir?"),
        ("recover --lst", "did you mean --list?"),
        ("runcomfy wait x --timeout 5", "did you mean --timeout-sec?"),
        ("'a fox' --background white", "give --transparent"),
        ("'a fox' --seed 3", "takes no seed"),
        ("'a fox' --nonsense", "for help: codex-imagegen --help"),
        ("'a fox' -Z", "for help: codex-imagegen --help"),
        ("'--prompt a fox'", "leave out the quotes"),
        ("--prompt --json", "--prompt has no value; '--json' is an option"),
        ("--prompt --out fox.png", "--prompt has no value; '--out' is an option"),
        ("-p -q", "--prompt has no value; '-q' is an option"),
        ("'a fox' --out --force", "--out has no value; '--force' is an option"),
        ("'a fox' --size --out=fox.png", "--size has no value; '--out=fox.png' is an option"),
        ("batch notes.txt --out-dir --json", "--out-dir has no value; '--json' is an option"),
        ("doctor live", "did you mean --live?"),
        ("demo 'a fox'", "give what to draw with --prompt"),
        ("'a fox' -p b", "give one of PROMPT, --prompt and --prompt-file"),
        ("'a fox' --prompt-file notes.txt", "give one of PROMPT, --prompt and --prompt-file"),
        ("-p a --prompt-file notes.txt", "give one of them"),
        ("''", "say what to draw"),
        ("'  '", "say what to draw"),
        ("--quiet", "say what to draw"),
        ("/", "say what to draw"),
        ("- b", "needs quotes"),
        ("'a fox' 'an owl'", "a run takes one prompt. (run it once for each"),
        ("--prompt 'a fox' 'an owl'", "a run takes one prompt. (run it once for each"),
        ("'a fox' --size 1024 1536", "did you mean --size 1024x1536?"),
        ("'a fox' --aspect-ratio=16 9", "did you mean --aspect-ratio 16:9?"),
        ("'a fox' -n three", "--count can't be 'three'. (give a whole number"),
        ("recover --list --limit all", "--limit can't be 'all'. (give a whole number"),
        ("'a fox' --out", "--out has no value. (write --out FILE; for help: codex-imagegen --help"),
        ("recover --search", "--search has no value. (write --search TEXT; for help: codex-imagegen recover --help"),
        ("runcomfy wait x --timeout-sec", "for help: codex-imagegen runcomfy wait --help"),
        ("'a fox' --last=b.png", "--last takes no value. (leave the value out: --last"),
        ("'a fox' --resolution 8k", "use 1k, 2k or 4k"),
        ("recover last", "did you mean --last?"),
        ("recover list", "did you mean --list?"),
        ("recover --last 0199a213", "--last and the name of a session contradict each other"),
        ("recover b.png", "nor a rollout file, but a picture"),
        ("gallery page.html", "did you mean --out page.html?"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_argument_is_refused_with_what_helps(typed: str, words: str, requests: list[Request]) -> None:
    assert words in refuse(*shlex.split(typed)).err
    assert requests == []


@pytest.mark.parametrize("word", ["fox\x1b[31m", "a\u202eb", "fox\x7f", "x" * 5000, "a\0b", "caf\udce9"])
def test_hostile_word_is_shown_safely(word: str) -> None:
    done = refuse(word, "b", "c")
    assert done.err.strip().isprintable()
    assert len(done.err) < 500


def test_dash_on_a_terminal_is_refused_at_once(lab):
    world = lab(offline=True)
    with Keyboard([COMMAND, "-"], world.environment, world.work) as keyboard:
        shown = keyboard.until('codex-imagegen "a red fox in the snow"')
    assert "which is a terminal" in shown


@pytest.mark.parametrize("words", ["--prompt -", "--prompt-file -", "batch -"])
def test_text_that_is_read_from_a_terminal_is_asked_for(lab, words):
    world = lab(offline=True)
    with Keyboard([COMMAND, *words.split()], world.environment, world.work) as keyboard:
        keyboard.until("type the text here; Ctrl-D on a line of its own ends it")
        keyboard.type("\x04")
        assert "codex-imagegen: " in keyboard.until(".")


def test_events_of_a_slip_are_json_lines() -> None:
    done = call("galery", "--events")
    assert done.code == 2
    assert '"did you mean:\\ncodex-imagegen gallery --events"' in done.err.splitlines()[-1]


HOME_OPTIONS = [
    (["x y", "--out=~/fox.png"], "out"),
    (["x y", "-o~/fox.png"], "out"),
    (["x y", "--ref", "~/fox.png"], "refs"),
    (["x y", "--codex=~/fox.png"], "codex"),
]


@pytest.mark.parametrize(("words", "name"), HOME_OPTIONS)
def test_leading_tilde_is_the_home_folder(words: list[str], name: str, own_home: Path, requests: list[Request]) -> None:
    assert call(*words).code == 0
    value = getattr(requests[0], name)
    assert value in (str(own_home / "fox.png"), (str(own_home / "fox.png"),))


@pytest.mark.parametrize("path", ["./~/fox.png", "~user/fox.png", "a/~/fox.png", "~fox.png"])
def test_other_tildes_stay(path: str, requests: list[Request]) -> None:
    assert call("x y", "--out", path).code == 0
    assert requests[0].out == path


def test_tilde_in_the_prompt_stays(requests: list[Request]) -> None:
    assert call("--prompt", "~/a fox").code == 0
    assert requests[0].prompt == "~/a fox"


def test_tilde_is_the_home_folder_in_every_command(own_home: Path, tmp_path: Path) -> None:
    (own_home / "p.txt").write_text("a fox")
    missing = str(own_home / "none")
    for words in (
        ["--prompt-file=~/none"],
        ["batch", "~/none"],
        ["recover", "~/none.jsonl"],
        ["mcp", "--root=~/none"],
    ):
        done = call(*words, "--json") if words[0] != "mcp" else call(*words)
        assert missing in done.err + done.text, words
    done = call("skill", "install", "--dir=~/skills")
    assert (done.code, done.lines) == (0, [str(own_home / "skills" / "codex-imagegen" / "SKILL.md")])
    assert call("gallery", "--out=~/page.html", "--quiet").lines == [str(own_home / "page.html")]


def test_tilde_without_a_home_folder_is_refused(monkeypatch: pytest.MonkeyPatch, requests: list[Request]) -> None:
    monkeypatch.setenv("HOME", "")
    done = refuse("x y", "--out=~/fox.png")
    assert "there is no home folder for '~/fox.png'" in done.err
    assert requests == []


@pytest.mark.parametrize(("text", "seconds"), [
    ("5m", 300.0), ("90s", 90.0), ("1.5m", 90.0), ("1h", 3600.0), ("45", 45.0), (".5", 0.5), ("5M", 300.0),
])  # fmt: skip
def test_time_limit_has_units(text: str, seconds: float, requests: list[Request]) -> None:
    assert call("a fox", "--timeout-sec", text).code == 0
    assert requests[0].timeout_sec == seconds


@pytest.mark.parametrize("text", ["inf", "nan", "-5", "-5m", "1e3", "5 minutes", "5x", "", "9" * 400, "٣"])
@pytest.mark.parametrize("command", [["a fox"], ["batch", "notes.txt"], ["runcomfy", "wait", "x"]])
@pytest.mark.usefixtures("folder")
def test_time_limit_that_can_not_be_is_refused(text: str, command: list[str], requests: list[Request]) -> None:
    assert "--timeout-sec can't be" in refuse(*command, "--timeout-sec", text).err
    assert requests == []


def test_time_limit_of_nothing_is_refused() -> None:
    assert "--timeout-sec can't be 0" in refuse("a fox", "--timeout-sec", "0m").err


def test_words_are_read_as_click_reads_them() -> None:
    """The program's own reading of options and their values is that of click, for every option."""
    command = main.load("generate")
    for option in command.params:
        if not isinstance(option, click.Option) or option.is_eager:
            continue
        for name in option.opts:
            given = [name] if option.is_flag else [name, "1"]
            with command.make_context("x", [*given, "a fox"]) as ctx:
                assert ctx.params["words"] == ("a fox",)
            kinds = [kind for _, kind in arguments.read_words(given, arguments.options_with_value(command))]
            assert kinds == [arguments.OPTION, *([] if option.is_flag else [arguments.VALUE])]


def test_file_names_that_can_not_be_are_prompts(requests: list[Request]) -> None:
    assert call("x y" * 3000 + os.sep).code == 0
    assert len(requests) == 1
