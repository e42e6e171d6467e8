"""Records fixtures/rollouts: what the real Codex builds write in each scenario of the back end.

::

    python -m tests.tools.recorder                              # every scenario on every build that it names
    python -m tests.tools.recorder img-moderation ok            # these scenarios
    python -m tests.tools.recorder ok --build 0.169.0-code --build 0.111.0
    python -m tests.tools.recorder --list

Each run is a bare ``codex exec --json`` (not this program) in a home of its own, logged in with made-up tokens; it can
reach only the fake OpenAI on loopback. Its files are scrubbed (tests/support/scrubbing.py) and written to
``fixtures/rollouts/<build>-<scenario>/``:

``rollout.jsonl``   what Codex wrote under ``sessions/``, if anything (without settings, except in ``ok``)
``events.jsonl``    its stdout
``stderr``          its stderr, without repeated lines
``run.json``        scenario, build, exit code (null: stopped by the recorder), time of the recording (Unix seconds; the
                    zone is UTC), end of a limit as the back end stated it, whether generated_images holds a file

A build is ``0.111.0`` … ``0.141.0``, or from 0.144.0 on ``<version>-code`` (the default model) or ``<version>-fn`` (a
model without code mode). The builds are installed by npm into the tests' cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codex_imagegen.demo import sandbox as home
from codex_imagegen.demo.fake_openai import Script
from tests.support import builds, scripts, scrubbing
from tests.support.lab import Lab
from tests.support.pictures import encoded

ROOT = Path(__file__).resolve().parents[2] / "fixtures" / "rollouts"
PROMPT = "a red fox in the snow"
TIMEOUT_SEC = 90

HOSTED = ("0.111.0", "0.118.0", "0.134.0", "0.141.0")
FUNCTION = tuple(f"{version}-{kind}" for version in builds.BUILDS[4:] for kind in ("code", "fn"))
ALL = HOSTED + FUNCTION
SHAPES = ("0.134.0", "0.144.6-fn", "0.169.0-code")
RESPONSES = ("0.111.0", "0.144.6-fn", "0.169.0-fn")
ENDS = ("0.111.0", "0.169.0-fn")
NEWEST = ("0.169.0-fn",)


@dataclass(frozen=True)
class Scenario:
    """The back end's ``script``, the builds, and everything else that is special about the run."""

    script: Callable[[], Script] = scripts.Draws
    on: tuple[str, ...] = RESPONSES
    references: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    plan: str | None = "plus"
    prepare: Callable[[Lab], None] | None = None
    wrap: tuple[str, ...] = ()
    interrupt: tuple[int, float] | None = None
    """(calls, seconds): interrupt Codex, as Ctrl-C would, so many seconds after so many calls of the model."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _nobody_listens(lab: Lab) -> None:
    home.write_codex_home(str(lab.home), home.UNREACHABLE_URL, version=lab.version)


def _add_config(text: str) -> Callable[[Lab], None]:
    def prepare(lab: Lab) -> None:
        with (lab.home / "config.toml").open("a") as file:
            file.write(text)

    return prepare


def _sessions_is_a_file(lab: Lab) -> None:
    (lab.home / "sessions").touch()


def _private_picture(lab: Lab) -> None:
    script = lab.standin.script
    assert isinstance(script, scripts.ViewsImage)
    script.path = str(lab.work.parent / "own" / "private.png")
    _write(Path(script.path), encoded(140, "private"))


_READ_ONLY_HOME = (
    "unshare", "-rm", "sh", "-c",
    'mount --bind "$CODEX_HOME" "$CODEX_HOME" && mount -o remount,ro,bind "$CODEX_HOME" && exec "$@"', "sh",
)  # fmt: skip
_S = scripts

SCENARIOS: dict[str, Scenario] = {
    # pictures
    "ok": Scenario(on=ALL),
    "ref1": Scenario(on=ALL, references=("ref-1.png",)),
    "ref2": Scenario(on=SHAPES, references=("ref-1.png", "ref 2.png")),
    "view": Scenario(lambda: _S.ViewsImage(""), SHAPES, prepare=_private_picture),
    "two": Scenario(_S.TwoPictures, SHAPES),
    "torn-then-whole": Scenario(_S.TornThenWhole, SHAPES),
    "blocked-then-whole": Scenario(_S.BlockedThenWhole, NEWEST),
    "hosted-generating": Scenario(_S.StaysGenerating, ("0.134.0", "0.141.0")),
    "limit-after-picture": Scenario(_S.LimitAfterPicture, NEWEST),
    "interrupted": Scenario(_S.ClosesSlowly, ("0.144.6-fn", "0.169.0-fn"), interrupt=(2, 1.5)),
    "not-offered-but-made": Scenario(_S.CallsToolThatIsNotOffered, ("0.144.6-fn",), plan="free"),
    # usage
    "usage-today": Scenario(_S.UsageLimit, ("0.111.0", "0.144.6-fn", "0.149.1-fn", "0.169.0-fn")),
    "usage-days": Scenario(lambda: _S.UsageLimit(resets_in=48 * _S.HOUR_SEC), ENDS),
    "usage-headers": Scenario(lambda: _S.UsageLimit(headers=True), ("0.134.0", "0.169.0-fn")),
    "usage-noreset": Scenario(lambda: _S.UsageLimit(resets_in=None), NEWEST),
    "usage-workspace": Scenario(_S.OutOfCredits, ("0.134.0", "0.169.0-fn")),
    "usage-not-included": Scenario(_S.UsageNotIncluded),
    "quota": Scenario(_S.QuotaExceeded, ENDS),
    "img-limit": Scenario(_S.PictureLimit, ("0.144.6-fn", "0.149.1-fn", "0.169.0-code")),
    "img-limit-nohdr": Scenario(lambda: _S.PictureLimit(headers=False), NEWEST),
    "img-limit-noreset": Scenario(lambda: _S.PictureLimit(resets_in=None), NEWEST),
    "hosted-limit": Scenario(_S.PictureLimit, ("0.111.0", "0.134.0", "0.141.0")),
    # rate
    "rate-429": Scenario(_S.RateLimits),
    "rate-stream": Scenario(_S.RateLimitsInStream, ("0.111.0", "0.149.1-fn", "0.169.0-fn")),
    "overloaded": Scenario(_S.Overloaded, NEWEST),
    "img-rate": Scenario(_S.RateLimitsPictures, ("0.144.6-fn", "0.169.0-fn")),
    "img-toomany": Scenario(_S.TooManyPictures, NEWEST),
    # moderation, refusals
    "img-moderation": Scenario(_S.BlocksPicture, ("0.144.6-fn", "0.149.1-code", "0.169.0-code")),
    "img-caught": Scenario(_S.SwallowsError, ("0.169.0-code",)),
    "moderation-stream": Scenario(_S.BlocksPromptInStream, ("0.111.0", "0.134.0", "0.169.0-fn")),
    "moderation-400": Scenario(_S.BlocksPrompt, ("0.111.0", "0.134.0", "0.169.0-fn")),
    "refused": Scenario(_S.Refuses, ("0.111.0", "0.144.6-fn", "0.169.0-code")),
    "silent": Scenario(_S.SaysNothing, ENDS),
    # the tool is not offered
    "not-offered": Scenario(_S.CallsToolThatIsNotOffered, ("0.118.0", "0.134.0", "0.169.0-fn"), plan="free"),
    "not-offered-flat": Scenario(lambda: _S.CallsToolThatIsNotOffered("flat"), NEWEST, plan="free"),
    "not-offered-code": Scenario(
        lambda: _S.CallsToolThatIsNotOffered("code"), ("0.149.1-code", "0.169.0-code"), plan="free"
    ),
    "free-words": Scenario(_S.Refuses, ("0.111.0", "0.169.0-code"), plan="free"),
    "no-login-words": Scenario(_S.Refuses, NEWEST, plan=None),
    # the tool fails
    "img-500": Scenario(_S.PictureServerErrors, ("0.144.6-fn", "0.169.0-fn")),
    "img-400": Scenario(_S.RejectsPictureRequest, ("0.144.6-fn", "0.169.0-code")),
    "img-401": Scenario(_S.PictureTokenRefused, NEWEST),
    "img-empty": Scenario(_S.NoPictures, ("0.144.6-fn", "0.169.0-fn")),
    "img-notjson": Scenario(_S.NoJson, NEWEST),
    "img-badb64": Scenario(_S.NoBase64, ("0.144.6-fn", "0.169.0-fn")),
    "img-blank": Scenario(_S.BlankPicture, ("0.144.6-fn", "0.169.0-fn")),
    "img-torn": Scenario(_S.TearsPictures, ("0.144.6-fn", "0.149.1-code", "0.169.0-fn")),
    "img-badref": Scenario(lambda: _S.PassesReferences("/nonexistent/x.png"), NEWEST),
    "img-sixrefs": Scenario(lambda: _S.PassesReferences(*[f"/nonexistent/{n}.png" for n in range(6)]), NEWEST),
    "hosted-torn": Scenario(_S.TearsPictures, ("0.111.0", "0.134.0")),
    "hosted-badb64": Scenario(_S.NoBase64, ("0.111.0", "0.141.0")),
    "hosted-blank": Scenario(_S.BlankPicture, ("0.111.0", "0.134.0")),
    "hosted-failed": Scenario(_S.FailsHostedItem, ("0.111.0", "0.134.0")),
    "hosted-failed-empty": Scenario(_S.NoPictures, ("0.111.0", "0.141.0")),
    # login
    "auth-401": Scenario(_S.TokenRefused),
    "auth-reused": Scenario(lambda: _S.TokenRefused(code="refresh_token_reused"), ENDS),
    "auth-404": Scenario(lambda: _S.TokenRefused(404), NEWEST),
    "auth-none": Scenario(_S.NoLogin, plan=None),
    # network
    "net-500": Scenario(_S.ServerErrors),
    "net-cut": Scenario(_S.CutsStream),
    "net-reset": Scenario(_S.ClosesConnections, ENDS),
    "net-early-end": Scenario(_S.EndsStreamEarly, ENDS),
    "net-closed": Scenario(on=("0.111.0", "0.134.0", "0.169.0-fn"), prepare=_nobody_listens, interrupt=(0, 45)),
    "net-img-close": Scenario(_S.ClosesPictureConnections, ("0.144.6-fn", "0.169.0-fn")),
    # another agent's sandbox (Linux with user namespaces)
    "sandbox-no-network": Scenario(on=ENDS, wrap=("unshare", "-rn"), interrupt=(0, 45)),
    "sandbox-read-only-home": Scenario(on=("0.111.0", "0.134.0", "0.169.0-fn"), wrap=_READ_ONLY_HOME),
    "sessions-is-a-file": Scenario(on=("0.111.0", "0.169.0-fn"), prepare=_sessions_is_a_file),
    # Codex refuses
    "bad-model": Scenario(_S.UnknownModel, arguments=("--model=x",)),
    "bad-config": Scenario(on=ENDS, prepare=_add_config("\n[broken\n")),
    "bad-argument": Scenario(on=ENDS, arguments=("--nonsense",)),
    "bad-feature": Scenario(on=ENDS, arguments=("--enable", "nonsense")),
    "too-old": Scenario(on=(builds.TOO_OLD,)),
}


def record(name: str, build: str, target: Path) -> str:
    """Run one scenario on one build, and write its fixture; return a line about it."""
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-recorder-") as folder:
        base = Path(os.path.realpath(folder))
        with Lab(base, build.partition("-")[0], script=scenario.script()) as lab:
            code, out, err = _run(scenario, build, lab)
            _save(lab, target, {"scenario": name, "build": build, "exit_code": code}, out, err)
    size = sum(file.stat().st_size for file in target.iterdir())
    return f"{target.name}: exit {code}, {size:,} bytes"


def _run(scenario: Scenario, build: str, lab: Lab) -> tuple[int | None, str, str]:
    if scenario.plan is None:
        (lab.home / "auth.json").unlink()
    elif scenario.plan != "plus":
        lab.write_home(scenario.plan)
    if scenario.prepare:
        scenario.prepare(lab)
    environment = {**lab.environment, "TZ": "UTC", **scenario.environment}
    command = [*scenario.wrap, *_argv(scenario, build, lab)]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=lab.work, env=environment, process_group=0,
    )  # fmt: skip
    stopping = threading.Event()
    if scenario.interrupt:
        threading.Thread(target=_interrupt, args=(lab, child, *scenario.interrupt, stopping), daemon=True).start()
    try:
        out, err = child.communicate(PROMPT, timeout=TIMEOUT_SEC)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return None if stopping.is_set() else child.returncode, out, err


def _argv(scenario: Scenario, build: str, lab: Lab) -> list[str]:
    argv = [str(builds.codex(lab.version)), "exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"]
    argv += ["--enable", "image_generation", "-C", str(lab.work)]
    if build.endswith("-fn") and not any(word.startswith("--model") for word in scenario.arguments):
        argv.append(f"--model={builds.FUNCTION_MODEL}")
    for number, name in enumerate(scenario.references):
        reference = lab.work.parent / "refs" / name
        _write(reference, encoded(160, ("reference", number)))
        argv.append(f"--image={reference}")
    return [*argv, *scenario.arguments]


def _interrupt(lab: Lab, child: subprocess.Popen[str], calls: int, seconds: float, stopping: threading.Event) -> None:
    while lab.model_calls < calls and child.poll() is None:
        time.sleep(0.05)
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and child.poll() is None:
        time.sleep(0.05)
    if child.poll() is None:
        stopping.set()
        os.killpg(child.pid, signal.SIGINT)


def _save(lab: Lab, target: Path, run: dict[str, object], out: str, err: str) -> None:
    base = lab.work.parent
    scrubber = scrubbing.Scrubber(
        {
            str(lab.home): scrubbing.HOME, str(lab.work): scrubbing.WORK, str(base / "refs"): scrubbing.REFERENCES,
            str(base / "own"): scrubbing.PRIVATE, str(base): "/home/user", str(builds.CACHE): scrubbing.INSTALLED,
        }
    )  # fmt: skip
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    rollouts = lab.rollouts()
    if rollouts:
        text = scrubber.lines(rollouts[0].read_text())
        (target / "rollout.jsonl").write_text(text if run["scenario"] == "ok" else scrubbing.without_settings(text))
    (target / "events.jsonl").write_text(scrubber.lines(out))
    (target / "stderr").write_text(scrubber.text(scrubbing.without_repetition(err)))
    resets_at = getattr(lab.standin.script, "resets_at", None)
    saved = any((lab.home / "generated_images").rglob("*.png"))
    more = {"recorded_at": int(time.time()), "resets_at": resets_at, "saved": saved}
    (target / "run.json").write_text(json.dumps({**run, **more}) + "\n")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def main(arguments: list[str]) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.recorder", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], metavar="SCENARIO")
    parser.add_argument(
        "--build", action="append", metavar="V", help="only these builds, also such as the scenario does not name"
    )
    parser.add_argument("--into", type=Path, default=ROOT, metavar="FOLDER")
    parser.add_argument("--list", action="store_true", help="name the scenarios and their builds")
    given = parser.parse_args(arguments)
    for name in given.scenario or SCENARIOS:
        for build in given.build or SCENARIOS[name].on:
            if given.list:
                print(name, build)
            else:
                print(record(name, build, given.into / f"{build}-{name}"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
