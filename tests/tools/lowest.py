"""The lowest versions that pyproject.toml allows, as constraints for pip: ``python tests/tools/lowest.py``.

.ci/run installs them into a separate environment and runs a part of the tests there. They are read from the lower
bounds themselves, so that every bound is tested.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_BOUND = re.compile(r"(?P<name>[\w.-]+)>=(?P<version>[\d.]+)(?:,<[\d.]+)?\Z")


def lowest() -> list[str]:
    """A constraint for each package that the program imports, the extras ``heic`` and ``mcp`` included."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    found = []
    extras = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *extras["heic"], *extras["mcp"]):
        bound = _BOUND.match(requirement)
        if bound is None:
            raise ValueError(f"{requirement!r} has no lower bound")
        found.append(f"{bound['name']}=={bound['version']}")
    return found


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest()) + "\n")
