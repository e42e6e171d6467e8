"""The account as Codex's app-server reports it, and servers that answer otherwise."""

from __future__ import annotations

import json
import os
import shlex
import time

import pytest

from codex_imagegen.codex.appserver import account, client
from codex_imagegen.codex.appserver.account import Account, Limit
from codex_imagegen.errors import CodexMissing
from tests.doctor.runs import HANGING
from tests.support import account as back_end
from tests.support import builds
from tests.support.history import new_thread_id

SECONDS = 30.0
SERVER = """#!/bin/sh
number=0
while read -r line; do
    case "$line" in *'"id":'*) number=$((number + 1));; esac
    case "$line" in
    *'"method": "initialize"'*) printf '{"id": %s, "result": {}}\\n' $number;;
    *'"method": "account/read"'*) printf '{"id": %s%s\\n' $number ACCOUNT;;
    *'"method": "account/rateLimits/read"'*) printf '{"id": %s%s\\n' $number LIMITS;;
    esac
done
"""
WINDOW = {"usedPercent": 10, "windowDurationMins": 300, "resetsAt": 1_795_300_000}
LIMITS = {"rateLimits": {"limitId": "codex", "primary": WINDOW, "planType": "plus"}}


@pytest.fixture
def script(tmp_path):
    """Make an executable of this text."""

    def make(text):
        path = tmp_path / "codex"
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def serve(script):
    """Read the account from a server that gives these two answers."""

    def read(who, limits):
        rest = [shlex.quote(json.dumps({"id": 0, **answer}).removeprefix('{"id": 0')) for answer in (who, limits)]
        return read_account(script(SERVER.replace("ACCOUNT", rest[0]).replace("LIMITS", rest[1])))

    return read


def read_account(codex, seconds=SECONDS, environment=None):
    return account.read(codex, environment or {"PATH": os.environ["PATH"]}, seconds)


def who(**fields):
    return {"result": {"account": {"type": "chatgpt", "email": "somebody@example.com", **fields}}}


# The real builds

EVERY = [
    builds.OLDEST, *(pytest.param(v, marks=pytest.mark.every_build) for v in builds.BUILDS[1:-1]), builds.NEWEST
]  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("version", EVERY)
def test_account_of_every_build_has_plan_and_limits_without_a_model_call(lab, version):
    world = lab(version, script=back_end.Account(plan="pro", used=(100, 30)))
    world.write_home(plan="pro")
    found = read_account(str(builds.codex(version)), environment=world.environment)
    resets = world.standin.script.resets_at
    assert found == Account("pro", (Limit("codex", 100, 300, resets), Limit("codex", 30, 10_080, resets)))
    paths = {call.path.split("?")[0] for call in world.standin.calls}
    known = {"/backend-api/wham/usage", "/backend-api/wham/accounts/check"}
    assert paths - known <= {"/backend-api/wham/rate-limit-reset-credits", "/v1/models"}
    assert ("/backend-api/wham/accounts/check" in paths) == (builds.number(version) >= (0, 160))
    assert {call.method for call in world.standin.calls} == {"GET"}


@pytest.mark.real
@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_account_without_limits_has_the_plan(lab, version):
    world = lab(version)  # 404 for everything
    found = read_account(str(builds.codex(version)), environment=world.environment)
    assert found.limits is None
    assert found.error.startswith("Codex said: ")
    assert found.plan == ("plus" if version == builds.OLDEST else None)


@pytest.mark.real
@pytest.mark.parametrize("version", EVERY)
def test_account_makes_no_database_in_the_users_home(lab, version):
    """A database that is left incomplete keeps every later Codex waiting."""
    world = lab(version, script=back_end.Account(), fresh=True)
    folder = world.home / "sessions" / "2026" / "01" / "01"
    folder.mkdir(parents=True)
    for _ in range(500):
        (folder / f"rollout-2026-01-01T00-00-00-{new_thread_id()}.jsonl").write_text("{}\n")
    assert read_account(str(builds.codex(version)), environment=world.environment).plan == "plus"
    assert [path.name for path in world.home.iterdir() if "sqlite" in path.name] == []


def test_account_with_an_unwritable_temporary_folder_says_why(script, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    assert "the temporary folder" in read_account(script("#!/bin/sh\n")).error


# Servers that are not Codex


def test_account_with_a_plan_alone_has_no_limits(serve):
    found = serve(who(planType="plus"), {"error": {"code": -1, "message": "no limits today"}})
    assert found == Account("plus", None, "Codex said: no limits today")


def test_account_takes_the_plan_from_the_limits(serve):
    found = serve({"error": {"message": "workspace routing discovery failed"}}, {"result": LIMITS})
    assert found == Account("plus", (Limit("codex", 10, 300, 1_795_300_000),))


@pytest.mark.parametrize(
    "odd",
    [
        {"result": []}, {"result": "x"}, {"error": "x"}, {"error": {"message": 7}}, {}, {"result": {}},
        {"result": {"account": []}}, {"result": {"account": {"planType": 7}}},
        {"result": {"account": {"planType": "a b\x1b[2J"}}}, {"result": {"account": {"planType": "unknown"}}},
    ],
)  # fmt: skip
def test_account_of_a_wrong_shape_has_no_plan(serve, odd):
    assert serve(odd, {"result": {"rateLimits": {"primary": WINDOW}}}).plan is None


@pytest.mark.parametrize(
    "odd",
    [
        {}, {"rateLimits": None}, {"rateLimits": []}, {"rateLimits": {"primary": 7}}, {"rateLimitsByLimitId": []},
        {"rateLimits": {"primary": {"usedPercent": "10"}}}, {"rateLimits": {"primary": {"usedPercent": True}}},
        {"rateLimits": {"primary": {"usedPercent": -1}}}, {"rateLimits": {"primary": {"usedPercent": float("nan")}}},
        {"rateLimitsByLimitId": {"codex": None}},
    ],
)  # fmt: skip
def test_account_with_limits_of_a_wrong_shape_has_none(serve, odd):
    found = serve(who(planType="plus"), {"result": odd})
    assert (found.plan, found.limits, found.error) == ("plus", None, "Codex reports no limits")


@pytest.mark.parametrize("odd", [{"windowDurationMins": "x", "resetsAt": 1e99}, {"windowDurationMins": 0}])
def test_account_leaves_out_wrong_values_of_a_window(serve, odd):
    found = serve(who(), {"result": {"rateLimits": {"primary": {"usedPercent": 3, **odd}}}})
    assert found.limits == (Limit("codex", 3.0),)


def test_account_bounds_and_cleans_names_of_limits(serve):
    by_id = {"a\x1b[2Jb": {"primary": WINDOW}, "x" * 1000: {"primary": WINDOW}, "codex": {"primary": WINDOW}}
    by_id |= {f"more {n}": {"primary": WINDOW, "secondary": WINDOW} for n in range(50)}
    limits = serve(who(), {"result": {"rateLimitsByLimitId": by_id}}).limits
    assert len(limits) == account.MAX_LIMITS
    assert [limit.name for limit in limits[:3]] == ["codex", "another", "another"]


@pytest.mark.parametrize(
    "lines",
    ["echo rubbish; read line", "printf '\\377\\000\\n'; read line", "echo '[]'; echo 7; echo '{\"id\": []}'", "exit 2",
     "echo '{\"id\": 0, \"method\": \"elicit\"}'"],
)  # fmt: skip
def test_account_of_a_server_that_prints_rubbish_says_it_ended(script, lines):
    found = read_account(script(f"#!/bin/sh\n{lines}\n"))
    assert found == Account(error="Codex's app server has ended")


def test_account_of_a_deeply_nested_answer_has_no_limits(script):
    nested = json.dumps({"id": 0, "result": "@"}).replace('"@"', "[" * 100_000)
    found = read_account(script(f"#!/bin/sh\ncat <<'END'\n{nested}\nEND\n"))
    assert found.limits is None


@pytest.mark.parametrize("line", ["yes", "yes | tr -d '\\n'"])
def test_account_of_an_endless_answer_is_cut_off(script, line, monkeypatch):
    assert client.MAX_ANSWER_BYTES == 4 * 1024 * 1024
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100_000)
    assert read_account(script(f"#!/bin/sh\n{line}\n")).error == "Codex's app server writes far more than an answer"


def test_account_of_a_silent_server_ends_it_at_the_timeout(script):
    codex = script("\n".join(["#!/bin/sh", 'echo $$ > "$PIDS"', *HANGING, ""]))
    pids = os.path.join(os.path.dirname(codex), "pids")
    found = read_account(codex, 0.5, {"PATH": os.environ["PATH"], "PIDS": pids})
    assert found.error == "Codex's app server does not answer"
    with open(pids) as file, pytest.raises(ProcessLookupError):
        await_gone(int(file.read()))


def await_gone(group):
    for _ in range(1000):
        os.killpg(group, 0)
        time.sleep(0.01)


def test_account_of_a_missing_codex_raises(tmp_path):
    with pytest.raises(CodexMissing):
        read_account(str(tmp_path / "codex"))


def test_account_hides_passwords_in_quoted_words(serve):
    words = "failed to fetch: error for url (https://" + "x" * 70 + ":hunter2hunter2@host/x)"
    for refused in ({"error": {"message": words}}, {"error": {"message": words.replace("https://", "")}}):
        assert "hunter2" not in str(serve(refused, refused).error)


def test_long_answer_of_codex_is_cut_at_a_word():
    said = account._quoted(client.RequestRefused("the usage can't be read " * 20))
    assert said.endswith(" the usage can't be …")
    assert len(said) <= len("Codex said: ") + 120
    assert len(account._quoted(client.RequestRefused("x" * 500))) <= len("Codex said: ") + 120
