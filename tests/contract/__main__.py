"""``python -m tests.contract``: write the golden files of the contract anew, and say which have changed."""

from __future__ import annotations

from tests.contract import golden

for changed in golden.rewrite():
    print(changed.relative_to(golden.FOLDER.parent.parent))
