"""The newest rollouts: whether they are of a shape that this version knows."""

from __future__ import annotations

import itertools
import time

from codex_imagegen.codex.install import version
from codex_imagegen.codex.sessions import format_check, history
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, ok, warning

NEWEST = 5
"""How many rollouts are looked through."""

LOOK_SEC = 2.0


def check_rollouts(context: Context) -> Finding:
    """Whether the newest rollouts hold something that a newer Codex than those tested may have begun to write."""
    deadline = time.monotonic() + LOOK_SEC
    paths = [past.path for past in _plain(context.codex_home)]
    shapes = [seen for path in paths if path and (seen := format_check.of(path, deadline)) is not None]
    strange = list(dict.fromkeys(what for seen in shapes for what in seen.strange))
    named = {version.named(seen.codex_version or "") for seen in shapes}
    writers = sorted((number for number in named if number), key=version.number)
    data = {"looked_at": len(shapes), "codex_versions": writers, "strange": strange}
    if not shapes:
        return ok("there are none yet" if not paths else "none could be looked through", data=data)
    hint = "codex-imagegen doctor --live proves the bridge; then look for a newer codex-imagegen"
    by = f"Codex {writers[-1]}" if writers else "Codex"
    if strange:
        return warning(
            f"the newest, by {by}, hold what this version does not know: {'; '.join(strange)}", hint, data=data
        )
    if writers and version.is_newer_than_tested(writers[-1]):
        return warning(f"the newest are by {by}; tested is {version.NEWEST}", hint, data=data)
    return ok(f"the newest {len(shapes)}, by {by}, are of a known shape", data=data)


def _plain(codex_home: str) -> list[history.Past]:
    return list(itertools.islice((past for past in history.rollouts(codex_home) if not past.packed), NEWEST))
