"""Global state of the host program that the library must not change, with the real Codex."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support import builds
from tests.support.checks import DrawsSmall

_PROGRAM = """
import json, logging, os, signal, sys, warnings
import codex_imagegen
from PIL import Image, ImageFile
ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = True, 1000
logging.getLogger("watchdog").setLevel(logging.DEBUG)
warnings.simplefilter("error", ResourceWarning)
def known():
    return [repr(warnings.filters), repr(warnings.showwarning), os.getcwd(), dict(os.environ), os.umask(0o22),
            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, logging.getLogger("watchdog").level,
            logging.root.level, [repr(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)]]
before = known()
result = codex_imagegen.generate("a fox", out="fox.png", count=3, jobs=3, codex=sys.argv[1])
after = known()
print(json.dumps([result.ok, [[a, b] for a, b in zip(before, after) if a != b]]))
"""


@pytest.mark.real
def test_several_pictures_at_once_change_nothing_of_the_process(lab):
    world = lab(script=DrawsSmall())
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(builds.codex(builds.NEWEST))],
        capture_output=True, text=True, check=True, cwd=world.work, env=world.environment, timeout=150,
    )  # fmt: skip
    assert json.loads(done.stdout) == [True, []]
    assert done.stderr == ""
