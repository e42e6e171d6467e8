"""Find how Codex is logged in, by ``codex login status``; this program reads no credentials.

Its output on stderr, measured with eight of the real builds (it exits with 0 for any login, and with 1 for none):

=================  ==================================================================================
0.107.0 – 0.169.0  ``Logged in using ChatGPT``, ``Not logged in``
0.107.0 – 0.160.1  ``Logged in using an API key - sk-…``, with the beginning and the end of the key in it
0.169.0            ``API key configured - sk-…``, likewise
0.111.0 – 0.169.0  ``Error loading configuration: …``, with text of the file
=================  ==================================================================================

So this output is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from codex_imagegen.codex.install.version import run_query
from codex_imagegen.errors import CodexMissing

Login = Literal["chatgpt", "api-key", "none", "no-config", "other", "unknown"]
"""``no-config``: Codex can't load its config.toml. ``other``: a kind of login that this version does not know.
``unknown``: Codex did not answer.
"""

TIMEOUT_SEC = 3.0
"""Time limit in seconds after a failed run; 70 ms is usual."""

_KINDS: tuple[tuple[Login, re.Pattern[str]], ...] = (
    ("no-config", re.compile(r"error loading config", re.IGNORECASE)),
    ("none", re.compile(r"not logged in", re.IGNORECASE)),
    ("api-key", re.compile(r"api key", re.IGNORECASE)),
    ("chatgpt", re.compile(r"logged in (?:using|with) chatgpt", re.IGNORECASE)),
)


def read_status(codex: str, environment: Mapping[str, str], timeout_sec: float) -> Login:
    """The kind of login. Raises :class:`CodexMissing` where Codex can't be started."""
    answer = run_query(codex, "login", "status", environment=environment, timeout_sec=timeout_sec)
    for kind, pattern in _KINDS:
        if pattern.search(answer.stderr) or pattern.search(answer.stdout):
            return kind
    return "other" if answer.exit_code == 0 and "ogged in" in answer.stderr + answer.stdout else "unknown"


def read_status_after_failure(codex: str, environment: Mapping[str, str]) -> Login:
    """The same after a failed run: an error here must not hide the first one."""
    try:
        return read_status(codex, environment, TIMEOUT_SEC)
    except CodexMissing:
        return "unknown"
