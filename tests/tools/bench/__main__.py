"""``python -m tests.tools.bench [--rounds N] [--long] [--growth N]``: prints the figures of docs/how-it-works.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time

from tests.support import builds
from tests.tools.bench import bridge, calls, growth, reading, startup


def main() -> int:
    """Measure all figures, one after the other; nothing else should run on the machine."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="paired rounds of each measurement [5]")
    parser.add_argument(
        "--long", action="store_true", help="add one round with a picture of 40 s and a closing turn of 5 s"
    )
    parser.add_argument(
        "--growth", type=int, default=0, metavar="N", help="add a home with N old rollouts, such as 60000"
    )
    parser.add_argument("--only", default="", help="names of measurements, separated by commas")
    parser.add_argument("--builds", default=",".join(builds.BUILDS), help="builds for the measurement named calls")
    given = parser.parse_args()
    parts = {
        "startup": lambda: startup.startup(given.rounds),
        "delays": lambda: bridge.headline(given.rounds, 2, 3),
        "no-delays": lambda: bridge.headline(given.rounds, 0, 0),
        "reading": lambda: reading.reading(given.rounds),
        "delivery": lambda: reading.delivery(given.rounds),
        "twelve": lambda: bridge.twelve(max(1, given.rounds // 2)),
    }
    if "calls" in given.only.split(","):  # hundreds of runs
        parts["calls"] = lambda: calls.calls(given.rounds, tuple(given.builds.split(",")))
    if given.long:
        parts["long"] = lambda: bridge.headline(1, 40, 5)
    if given.growth:
        parts["growth"] = lambda: growth.growth(given.rounds, given.growth)
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )
    for name, part in parts.items():
        if not given.only or name in given.only.split(","):
            for line in part():
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
