"""The description of each key, by dataclass and field. A test compares them with the fields."""

from __future__ import annotations

IMAGE = {
    "path": "absolute path of the picture, or - where it went to stdout",
    "format": "format of the bytes",
    "width": "pixels",
    "height": "pixels",
    "bytes": "size of the file",
    "sha256": "SHA-256 of the file, in hexadecimal",
    "original": "true where the bytes are as Codex or RunComfy delivered them, false where they were re-encoded",
    "revised_prompt": "what the picture's model says it drew from",
}
ERROR = {
    "code": "stable name of what happened",
    "exit_code": "the process's exit code, or what it would be had this picture been asked for alone",
    "message": "what happened, for a person",
    "hint": "what to do next, for a person",
    "spent": "whether quota or money may have been used; null where nobody can know",
    "resets_at": "Unix seconds at which a limit ends, where that was said",
}
WARNING = {"code": "stable name of what is to be known", "message": "the same for a person"}
FAILURE = {
    "index": "which picture of --count, which session of recover, or which check of doctor, from 0",
    "error": "why it did not come",
}
RESULT = {
    "schema": "version of these keys, which change only by addition",
    "ok": "true where every picture that was asked for is on disk",
    "backend": "the route that was taken",
    "images": "the pictures that are on disk now",
    "failures": "the pictures that did not come",
    "error": "why the command failed; null where it did not",
    "thread_id": "the thread in Codex's sessions, where there is exactly one",
    "codex_version": "the version of Codex that its own record names",
    "elapsed_sec": "seconds that the run took",
    "warnings": "what is no failure and should be known",
    "cost_usd": "US dollars, where RunComfy told them; this key is there with the backend runcomfy alone",
    "request_id": "RunComfy's request; this key is there with the backend runcomfy alone",
}
EVENT = {
    "event": "what the line tells of; the last line of a run, and no other, is done or error",
    "elapsed_sec": "seconds since the program began",
    "index": "which picture of --count, or which session of recover, from 0; null for what concerns all of them",
    "job": "the line of a batch's list, from 1; null elsewhere",
    "thread_id": "the thread in Codex's sessions, as soon as it is known",
    "request_id": "RunComfy's request, as soon as it is known",
    "path": "absolute path of the picture that is written, or - for stdout",
    "message": "what there is to say to a person",
    "warning": "of an event warning",
    "error": "of the events failed and error",
}
SESSION = {
    "thread_id": "the thread, by which it can be recovered",
    "time": "when it began, in UTC",
    "prompt": "the beginning of what was asked first",
    "pictures": "how many pictures it holds",
    "bytes": "the sum of their sizes",
    "path": "the rollout, or the folder of pictures where that is all that is left",
}
BATCH = {
    "job": "the line of the list, from 1",
    "out": "absolute path that the job was to write; null where its line could not be read",
    "status": "what became of the job: made; recovered, by an earlier run that was cut off; there, made by an earlier "
    "run; failed; left, since the batch had to stop",
}
TOTALS = {
    "sessions": "how many sessions of this program's own",
    "bytes": "what they take on disk; of those that may go or are gone, what that frees",
    "oldest": "when the first of them began, in UTC",
    "newest": "when the last of them began, in UTC",
}
MONTH = "such as 2026-11; null where nobody knows"
REASON = "why they stay"
PRUNE = {
    "dry_run": "true where nothing was to be removed",
    "older_than_sec": "the age at which a session may go, in seconds",
    "keep_pictures": "whether the files in generated_images stay",
    "total": "all of this program's own",
    "months": "the same by the month in which they began, in local time; the oldest first",
    "kept": "those that stay, by the reason",
    "prunable": "those that may go, before anything was removed",
    "removed": "those that are gone",
}
SKILL = {
    "agent": "whose folder of skills it is; null for one that was named",
    "path": "absolute path of the skill's file",
    "status": "what became of it",
}
CHECK = {
    "name": "which check it is",
    "status": "what was found: unknown where nobody can tell; only failed changes the exit code",
    "message": "the same for a person",
    "hint": "what to do, for a person",
    "data": "the same for a program: each check has keys of its own, and all of them always (docs/doctor.md)",
}
VERSIONS = "of Codex, this program, Python, the system and every part; null where one is missing"
