"""The demonstration: a real run of the bridge in which nothing costs anything and nothing leaves the machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from codex_imagegen.codex.install import version
from codex_imagegen.codex.run import command
from codex_imagegen.demo import home
from codex_imagegen.demo.fake_codex import VERSION
from codex_imagegen.demo.fake_openai import StandIn
from codex_imagegen.errors import CodexMissing
from codex_imagegen.generation import generate
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, Request
from codex_imagegen.results import Result

PROMPT = "a range of hills at the end of the day"
_ASK_SEC = 20
_UNCOMPRESSED = "[features]\nenable_request_compression = false"  # zstd is no part of this Python


@dataclass(frozen=True, slots=True)
class Lead:
    """Who plays Codex: the executable, its version, and whether it is the real one."""

    path: str
    version: str
    real: bool


def show(
    request: Request, *, interrupt: Interrupt, tell: Callable[[Event], None], say: Callable[[str], None]
) -> Result:
    """Make the request's picture on an embedded stage; ``say`` hears who plays Codex. Raises what a real run raises."""
    with _stage() as stage:
        lead = _cast(request.codex, stage)
        say(_credits(lead))
        return _play(request, lead, stage, interrupt=interrupt, tell=tell)


def prove(request: Request, codex_version: str, *, interrupt: Interrupt) -> Result:
    """The same with the Codex that ``request.codex`` names and nobody else in its part."""
    lead = Lead(request.codex or "", codex_version, real=True)
    with _stage() as stage:
        return _play(request, lead, stage, interrupt=interrupt, tell=lambda _event: None)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A folder that is gone afterwards, a Codex home in it, and the environment of every Codex that is started here.

    That holds for the question which Codex it is, too: each start of one makes folders in its home.
    """

    folder: str
    home: str
    url: str
    environment: dict[str, str]


@contextlib.contextmanager
def _stage() -> Iterator[_Stage]:
    # the resolved name: Codex and our watcher must mean the same folder
    with (
        tempfile.TemporaryDirectory(prefix="codex-imagegen-demo-", ignore_cleanup_errors=True) as temporary,
        StandIn() as back,
    ):
        folder = os.path.realpath(temporary)
        codex_home = os.path.join(folder, "home")
        os.mkdir(codex_home, 0o700)
        environment = home.environment(codex_home, back.url, command.environment_of(os.environ))
        yield _Stage(folder, codex_home, back.url, environment)


def _play(
    request: Request, lead: Lead, stage: _Stage, *, interrupt: Interrupt, tell: Callable[[Event], None]
) -> Result:
    home.make(stage.home, stage.url, version=lead.version, extra=_UNCOMPRESSED)
    played = replace(request, codex=lead.path)
    return generate(played, interrupt=interrupt, tell=tell, environment=stage.environment)


def _credits(lead: Lead) -> str:
    if lead.real:
        return f"demo: the real Codex {lead.version}, with a stand-in for OpenAI on loopback"
    return "demo: no Codex that can make pictures is here; an understudy plays its part"


def _cast(given: str | None, stage: _Stage) -> Lead:
    """The real Codex if there is one that is new enough, else the understudy; a ``--codex`` must be there."""
    try:
        path = command.find(given, os.environ)
    except CodexMissing:
        if given is not None:
            raise
    else:
        known = _version(path, stage.environment)
        if known and not version.is_too_old(known):
            return Lead(path, known, real=True)
    path = os.path.join(stage.folder, "understudy")
    with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o700)) as file:
        file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m codex_imagegen.demo.fake_codex "$@"\n')
    return Lead(path, VERSION, real=False)


def _version(path: str, environment: Mapping[str, str]) -> str | None:
    try:
        return version.read(path, environment, _ASK_SEC)
    except CodexMissing:
        return None
