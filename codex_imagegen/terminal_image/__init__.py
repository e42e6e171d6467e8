"""A picture in the terminal: how this one shows pictures is asked, and the picture is drawn in its way.

Written here, and not bought: textual-image asks the terminal when it is imported, waits for 0.1 s, and leaves a later
answer to the shell's prompt; term-image does not go with a Pillow of today; chafa.py is a C library with no release
since 2024 and no wheels for the newest Pythons (looked at on 2026-11-21). None needs a terminal less than this does.
"""
