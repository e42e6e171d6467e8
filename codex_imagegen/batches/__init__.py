"""Batches: many jobs, checked first and run once each, with a journal that survives a kill."""
