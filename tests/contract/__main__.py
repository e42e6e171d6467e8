"""``python -m tests.contract``: regenerate the schemas and the golden files, and print which have changed."""

from __future__ import annotations

from tests.contract import golden

for changed in golden.rewrite():
    print(changed.relative_to(golden.FOLDER.parent.parent))
