"""Every check, in the order of the report: what comes first is what a run would fail with first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codex_imagegen.doctor.checks_codex import check_codex, check_image_tool
from codex_imagegen.doctor.checks_home import check_home, check_wake_ups
from codex_imagegen.doctor.clock import check_clock
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.dependencies import check_parts
from codex_imagegen.doctor.findings import Finding
from codex_imagegen.doctor.limits import check_limits
from codex_imagegen.doctor.live import LIVE_SEC, check_live
from codex_imagegen.doctor.login import check_login
from codex_imagegen.doctor.rollouts import check_rollouts
from codex_imagegen.doctor.space import check_space
from codex_imagegen.doctor.token import check_runcomfy

LIMIT_SEC = 8.0
"""Seconds after which a check is left alone: more than Codex is given, for a file system that does not answer."""


@dataclass(frozen=True)
class Check:
    """A name that is promised, a function, the keys of its data (each is always there), and its time in seconds."""

    name: str
    look: Callable[[Context], Finding]
    keys: tuple[str, ...] = ()
    limit_sec: float = LIMIT_SEC


CHECKS = (
    Check("codex", check_codex, ("path", "version", "others")),
    Check("login", check_login, ("login", "plan")),
    Check("image-tool", check_image_tool, ("feature", "provider")),
    Check("limits", check_limits, ("limits", "pictures_last_day")),
    Check("home", check_home, ("path", "file_system")),
    Check("wake-ups", check_wake_ups, ("woken",)),
    Check("rollouts", check_rollouts, ("looked_at", "codex_versions", "strange")),
    Check(
        "space",
        check_space,
        ("free_bytes", "rollouts", "rollout_bytes", "pictures", "picture_bytes", "counted_all"),
    ),
    Check("clock", check_clock, ("year", "skew_sec")),
    Check("runcomfy", check_runcomfy, ("source", "path", "mode")),
    Check("parts", check_parts),
)

LIVE = Check("live", check_live, ("elapsed_sec",), LIVE_SEC + LIMIT_SEC)
"""The last one, where it is asked for."""
