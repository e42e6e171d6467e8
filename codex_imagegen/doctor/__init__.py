"""The doctor: looks at everything that a picture needs, spends nothing, and says what to do."""
