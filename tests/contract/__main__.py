"""``python -m tests.contract``: regenerate what tests compare with the program, and print which files have changed."""

from __future__ import annotations

from tests.contract import golden

for changed in golden.rewrite():
    print(changed.relative_to(golden.FOLDER.parent.parent))
