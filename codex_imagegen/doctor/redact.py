"""A report that can be pasted into a bug report: no home folder, no user's name, no e-mail, no key or password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

from codex_imagegen import render
from codex_imagegen.doctor.findings import Finding

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_HOMES = re.compile(r"(/(?:home|Users)/)[^/\s'\"]+")


class Redact:
    """Cleans text; also of whatever a terminal would obey."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = environment.get("HOME") or os.path.expanduser("~")
        homes = {home.rstrip("/"), os.path.realpath(home)} - {"", "/"}
        # the longest first: one may be the other's beginning
        self._homes = [re.compile(re.escape(path) + r"(?![\w.-])") for path in sorted(homes, key=len, reverse=True)]
        name = os.path.basename(home.rstrip("/"))
        self._name = re.compile(rf"(?<=/){re.escape(name)}(?=/|$|\s)") if len(name) > 1 else None

    def finding(self, finding: Finding) -> Finding:
        """The same finding, clean."""
        data = {key: self._value(value) for key, value in finding.data.items()}
        hint = None if finding.hint is None else self.text(finding.hint)
        if finding.error is not None:
            finding.error.message, finding.error.hint = self.text(finding.error.message), hint
        return replace(finding, message=self.text(finding.message), hint=hint, data=data)

    def text(self, text: str) -> str:
        """The same text, clean."""
        text = render.without_secrets(text)
        for home in self._homes:
            text = home.sub("~", text)
        text = _HOMES.sub(r"\1(user)", text)
        if self._name is not None:
            text = self._name.sub("(user)", text)
        return render.plain(_EMAIL.sub("(e-mail)", text))

    def _value(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        if isinstance(value, dict):
            return {key: self._value(inner) for key, inner in value.items()}
        return value
