"""Show a picture in the terminal: detect its graphics protocol, and encode the picture for it.

Why no library: textual-image queries the terminal when it is imported, waits 0.1 s, and leaves a later answer to the
shell's prompt; term-image does not work with a current Pillow; chafa.py is a C library with no release since 2024 and
no wheels for the newest Pythons (looked at on 2026-11-21).
"""
