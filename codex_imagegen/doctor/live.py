"""The proof: the installed Codex makes a picture on the embedded stand-in, end to end, and nothing is spent."""

from __future__ import annotations

import hashlib
import os
import tempfile

from codex_imagegen.codex.install import version
from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.run import PROMPT, prove
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, ok, unknown, warning
from codex_imagegen.errors import CodexUnavailable, DamagedPicture
from codex_imagegen.request import Request

LIVE_SEC = 60.0
"""Seconds for the whole run; it takes one or two."""


def check_live(context: Context) -> Finding:
    """Whether the picture that the stand-in drew comes out of the bridge as it was drawn."""
    try:
        codex, known = context.codex(), context.version() or version.NEWEST
    except CodexUnavailable:
        return unknown("there is no Codex to prove")
    if version.is_too_old(known):
        return unknown("this Codex can't make pictures")
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-doctor-", ignore_cleanup_errors=True) as folder:
        out = os.path.join(folder, "live.png")
        request = Request(prompt=PROMPT, out=out, codex=codex, timeout_sec=LIVE_SEC)
        made = prove(request, known, interrupt=context.interrupt)
    if made.error is not None or not made.images:
        return unknown("the run ended without a picture and without a reason")
    if made.images[0].sha256 != hashlib.sha256(draw(PROMPT)).hexdigest():
        return failed(DamagedPicture("the picture that came is not the one that was drawn", hint="please report it"))
    told = f"Codex {made.codex_version or known} made a picture on the stand-in in {made.elapsed_sec:.1f} s"
    data = {"elapsed_sec": made.elapsed_sec}
    if made.warnings:
        return warning(f"{told}, but: {made.warnings[0].message}", "look for a newer codex-imagegen", data)
    return ok(f"{told}, byte for byte", data=data)
