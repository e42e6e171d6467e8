"""The doctor: checks everything that a run needs, spends nothing, and says what to do."""
