"""What a run reads, writes and connects to, and what Codex is started with: as promised of the user's data.

The watched command is the installed one's own entry point, run under an audit hook.
"""

from __future__ import annotations

import io
import json
import sys

import pytest

from codex_imagegen.codex.run import attribution
from tests.support import builds, checks, scripts
from tests.support.audit import AuditedRun
from tests.support.checks import ENDS, DrawsSmall, small_png
from tests.support.lab import COMMAND
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
ANOTHER = "01a1fbfb-2fd1-76d1-8710-f49d1e09e2bc"
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]


@ENDS
def test_run_reads_its_own_rollout_and_the_config_alone(lab, version):
    world = lab(version, script=DrawsSmall())
    old = world.home / "sessions" / "2020" / "01" / "01"
    old.mkdir(parents=True)
    (old / f"rollout-2020-01-01T00-00-00-{ANOTHER}.jsonl").write_text("{}\n")
    watched = AuditedRun(world, world.argv(*FOX))
    assert watched.done.json["ok"]
    (own,) = [path for path in world.rollouts() if "2020" not in path.name]
    watched.assert_kept(read=[str(own.relative_to(world.home))])
    assert watched.paths("read", world.home) == {"config.toml", str(own.relative_to(world.home))}


@checks.NEWEST_FIRST
def test_run_that_fails_reads_its_rollout_and_its_folder_of_pictures_alone(lab, version):
    world = lab(version, script=scripts.Refuses())
    watched = AuditedRun(world, world.argv(*FOX))
    answer = watched.done.json
    assert answer["error"]["code"] == "refused"
    (own,) = world.rollouts()
    pictures = watched.paths("list", world.home / "generated_images")
    assert pictures <= {answer["thread_id"]}  # the last place in which a picture could be
    watched.events = [event for event in watched.events if "generated_images" not in json.dumps(event)]
    watched.assert_kept(read=[str(own.relative_to(world.home))])


HURRY = "from codex_imagegen.codex.run import attribution; attribution.NO_THREAD_SEC = 0.1"
"""A run that hears of no thread looks for its rollout soon, and not after 2 s."""


@checks.NEWEST_FIRST
def test_run_that_must_look_for_its_rollout_reads_no_more_than_the_first_record_of_another(lab, version):
    """The thread's id is kept from us, and Codex is late: each new rollout must be asked whose it is."""
    assert attribution.NO_THREAD_SEC == 2.0
    world = lab(version, script=DrawsSmall())
    foreign = json.dumps({"type": "session_meta", "payload": {"id": ANOTHER, "cwd": "/elsewhere", "x": "y" * 20_000}})
    picture = json.dumps({"type": "response_item", "payload": {"result": encoded(300).hex()}})
    prepared = world.tmp / "foreign.jsonl"
    prepared.write_text(f"{foreign}\n{picture}\n" * 3)
    day = f'"{world.home}/sessions/$(date +%Y/%m/%d)"'
    codex = world.tmp / "codex"
    lines = [f"mkdir -p {day}", f'cp "{prepared}" {day}/rollout-2026-01-01T00-00-00-{ANOTHER}.jsonl', "sleep 1"]
    codex.write_text("\n".join(["#!/bin/sh", *lines, f'exec "{builds.codex(version)}" "$@" > /dev/null', ""]))
    codex.chmod(0o755)
    watched = AuditedRun(world, [COMMAND, *FOX, "--codex", str(codex)], before=HURRY)
    assert watched.done.json["ok"], watched.done
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    (other,) = [path for path in world.rollouts() if ANOTHER in path.name]
    (own,) = [path for path in world.rollouts() if ANOTHER not in path.name]
    watched.assert_kept(read=[str(path.relative_to(world.home)) for path in (own, other)])
    whole_buffers = -(-len(foreign) // io.DEFAULT_BUFFER_SIZE)
    assert 0 < watched.bytes_of(other) <= whole_buffers * io.DEFAULT_BUFFER_SIZE
    checks.assert_clean(world)


# What Codex is started with

DUMP = """
import json, os, sys
print("Reading prompt from stdin...", file=sys.stderr, flush=True)
prompt = sys.stdin.buffer.read().decode()
record = {"environment": dict(os.environ), "argv": sys.argv[1:], "prompt": prompt}
record |= {"files": os.listdir(), "cwd": os.getcwd(), "alone": os.getpgrp() == os.getpid()}
with open(sys.argv[0] + ".json", "w") as file:
    json.dump(record, file)
"""
OTHERS = {
    "CODEX_API_KEY": "sk-codex", "OPENAI_API_KEY": "sk-openai", "RUNCOMFY_TOKEN": "secret", "RUNCOMFY_CONFIG_DIR": "/x",
    "MY_OWN": "kept", "NO_COLOR": "1", "OPENAI_BASE_URL": "kept too", "EMPTY": "", "LÄNG": "ü",
}  # fmt: skip


def test_codex_is_started_in_an_empty_folder_and_a_sandbox_with_the_prompt_on_stdin_and_no_keys(lab):
    world = lab()
    codex = world.tmp / "codex"
    codex.write_text(f"#!{sys.executable}{DUMP}")
    codex.chmod(0o755)
    (world.work / "ref, one.png").write_bytes(encoded())
    arguments = ["--prompt", "a red fox", "--ref", "ref, one.png", "--codex", str(codex)]
    world.run_argv([COMMAND, *arguments], env=OTHERS)
    record = json.loads((world.tmp / "codex.json").read_text())

    withheld = {"CODEX_API_KEY", "OPENAI_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR"}
    record["environment"].pop("LC_CTYPE", None)  # Python sets it for itself, in the C locale
    expected = {name: value for name, value in {**world.environment, **OTHERS}.items() if name not in withheld}
    assert record["environment"] == expected

    assert record["prompt"] == "a red fox"
    assert "a red fox" not in " ".join(record["argv"])

    assert record["files"] == []
    assert record["alone"]
    assert record["cwd"].startswith(f"{world.tmp.resolve()}/codex-imagegen-run-")
    assert record["argv"][record["argv"].index("-C") + 1] == record["cwd"]
    assert record["argv"][record["argv"].index("--sandbox") + 1] == "read-only"
    assert "," not in next(word for word in record["argv"] if word.startswith("--image"))
    checks.assert_clean(world)
