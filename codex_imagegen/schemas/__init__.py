"""JSON Schemas (2020-12) of all that ``--json`` and ``--events`` print, built from the dataclasses themselves."""
