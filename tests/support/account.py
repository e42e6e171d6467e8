"""A back end with an account: what Codex's app-server requests under ``/backend-api/wham/``.

The fields are those that Codex 0.169.0 reads: it named each missing field in an error.
"""

from __future__ import annotations

import json
import time
from typing import Any

from codex_imagegen.demo.fake_openai import Call, Reply
from tests.support.scripts import Draws

HOUR_SEC, DAY_SEC = 3600, 86_400


class Account(Draws):
    """``used``: per cent used of the 5-hour and the weekly limit; ``pictures``: of the picture limit, if any."""

    def __init__(self, plan: str = "plus", used: tuple[int, int] = (42, 7), pictures: int | None = None) -> None:
        super().__init__()
        self.plan, self.used, self.pictures = plan, used, pictures
        self.resets_at = int(time.time()) + HOUR_SEC

    def other(self, call: Call) -> Reply:
        path = call.path.split("?")[0]
        if path.endswith("/wham/usage"):
            return Reply(body=json.dumps(self.usage()).encode())
        if path.endswith("/wham/accounts/check"):
            return Reply(body=json.dumps({"accounts": [self.workspace()]}).encode())
        return super().other(call)

    def usage(self) -> dict[str, Any]:
        own = [{"limit_name": "Pictures", "metered_feature": "image_gen", "rate_limit": self._limit(self.pictures)}]
        return {
            "plan_type": self.plan, "user_id": "user-made-up", "account_id": "made-up", "email": "nobody@example.com",
            "rate_limit": self._limit(*self.used), "additional_rate_limits": own if self.pictures is not None else None,
            "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
        }  # fmt: skip

    def workspace(self) -> dict[str, Any]:
        # an http origin is refused; nobody calls this one
        origin = {"workspace_backend_origin": "https://127.0.0.1:9", "account_routing_override": "NO_CONSTRAINT"}
        return {"id": "made-up", "plan_type": self.plan, **origin}

    def _limit(self, *used: int | None) -> dict[str, Any]:
        spans = (5 * HOUR_SEC, 7 * DAY_SEC)
        windows = [
            {
                "used_percent": percent, "limit_window_seconds": span, "reset_after_seconds": HOUR_SEC,
                "reset_at": self.resets_at,
            }
            for percent, span in zip(used, spans, strict=False)
        ]  # fmt: skip
        names = ("primary_window", "secondary_window")
        return {"allowed": True, "limit_reached": 100 in used, **dict(zip(names, windows, strict=False))}
