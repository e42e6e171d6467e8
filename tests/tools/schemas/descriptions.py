"""The description of each key, by dataclass and field. A test compares them with the fields."""

from __future__ import annotations

IMAGE = {
    "path": "absolute path of the picture, or - for stdout",
    "format": "format of the bytes",
    "width": "pixels",
    "height": "pixels",
    "bytes": "size of the file",
    "sha256": "SHA-256 of the file, in hexadecimal",
    "original": "true if the bytes are as Codex or RunComfy delivered them, false if they were re-encoded",
    "revised_prompt": "the prompt that the image model says it used",
    "replaced": "true if --force has replaced another file of this name",
}
PLANNED_REFERENCE = {
    "path": "the path or the address as it was given",
    "format": "format of the bytes that would be sent; null for an address",
    "width": "pixels; null for an address",
    "height": "pixels; null for an address",
    "bytes": "size of what would be sent; null for an address",
    "copy": "true for a smaller or converted copy of the file; null for an address",
}
PLANNED_IMAGE = {
    "path": "absolute path of the picture, or - for stdout; null with --no-wait",
    "action": "make; replace: make it and replace the file at path; skip: it exists; fetch: take it from a run that was"
    " cut off, or make it",
    "format": "format that the file would have; null for the format in which it comes",
    "references": "the references as they would be sent, in their order",
    "codex": "absolute path of the Codex CLI that would be started; null with RunComfy",
    "model": "the requested model; null for Codex's own choice",
    "options": "what would be requested beside the prompt: a sentence, or for RunComfy names and values; or null",
    "instructions": "all that Codex's model would be told beside the prompt; null with RunComfy",
}
ERROR = {
    "code": "stable name of the error",
    "exit_code": "the process's exit code, or what it would be if only this picture had been requested",
    "message": "what happened, for a person",
    "hint": "what to do next, for a person",
    "spent": "whether quota or money may have been used; null if it can't be known",
    "resets_at": "Unix seconds at which a limit ends, if known",
}
WARNING = {"code": "stable name of the warning", "message": "the same for a person"}
FAILURE = {
    "index": "which picture of --count, which session of recover, or which check of doctor, from 0",
    "error": "why it failed",
}
RESULT = {
    "schema": "version of these keys, which change only by addition",
    "ok": "true if every requested picture is on disk",
    "backend": "the backend that was used",
    "images": "the pictures that are on disk now",
    "failures": "the pictures that failed",
    "error": "why the command failed; null if it did not",
    "thread_id": "the thread in Codex's sessions, if there is exactly one",
    "codex_version": "the version of Codex that its session records",
    "elapsed_sec": "seconds that the run took",
    "warnings": "what is worth knowing but no failure",
    "dry_run": "true if nothing was made, and planned says what a run would do",
    "planned": "with --dry-run, the pictures that a run would make",
    "cost_usd": "US dollars, if RunComfy reports them; only with the backend runcomfy",
    "request_id": "RunComfy's request; only with the backend runcomfy",
    "last": "the picture that --last stood for; null without that option",
}
LAST = {
    "thread_id": "its thread in Codex's sessions; null if that is unknown",
    "width": "pixels",
    "height": "pixels",
    "bytes": "size of the picture",
    "sha256": "SHA-256 of the picture, in hexadecimal",
}
EVENT = {
    "event": "the kind of event; only the last line of a run is done or error",
    "elapsed_sec": "seconds since the program began",
    "index": "which picture of --count, or which session of recover, from 0; null for what concerns all of them",
    "job": "the line of the batch's job file, from 1; null elsewhere",
    "thread_id": "the thread in Codex's sessions, as soon as it is known",
    "request_id": "RunComfy's request, as soon as it is known",
    "path": "absolute path of the written picture, or - for stdout",
    "message": "the event for a person",
    "warning": "with the event warning",
    "error": "with the events failed and error",
}
SESSION = {
    "thread_id": "the thread, with which it can be recovered",
    "time": "when it began, in UTC",
    "prompt": "the beginning of the first prompt",
    "pictures": "how many pictures it holds",
    "bytes": "the sum of their sizes",
    "session": "the path of the rollout, or of the folder of pictures if only that is left",
}
BATCH = {
    "job": "the line of the job file, from 1",
    "prompt": "the beginning of the job's prompt, 80 characters at most; null if its line could not be read",
    "out": "absolute path of the job's output; null if its line could not be read",
    "status": "the outcome: made; recovered from an earlier run that was cut off; skipped, since an earlier run made "
    "it; failed; not-started, since the batch had to stop",
}
TOTALS = {
    "sessions": "how many of this program's own sessions",
    "bytes": "what they take on disk; in prunable and removed, what removing them frees",
    "oldest": "when the first of them began, in UTC",
    "newest": "when the last of them began, in UTC",
}
MONTH = "such as 2026-11; null if unknown"
REASON = "why they are kept"
PRUNE = {
    "dry_run": "true if nothing was to be removed",
    "older_than_sec": "the age from which a session may be removed, in seconds",
    "keep_pictures": "whether the files in generated_images are kept",
    "total": "all of this program's own sessions",
    "months": "the same by the month in which they began, in local time, oldest first",
    "kept": "the sessions that are kept, by reason",
    "prunable": "the sessions that may be removed, before anything was removed",
    "removed": "the sessions that were removed",
}
SKILL = {
    "agent": "the agent whose folder of skills it is; null for a folder that was named",
    "path": "absolute path of the skill's file",
    "status": "the outcome",
}
CHECK = {
    "name": "the check's name",
    "status": "what was found: unknown if it can't be told; only failed changes the exit code",
    "message": "the same for a person",
    "hint": "what to do, for a person",
    "data": "the same for a program: each check has its own keys, and always all of them (docs/doctor.md)",
}
VERSIONS = "of Codex, this program, Python, the system and every dependency; null if one is missing"
