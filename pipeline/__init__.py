"""The verbs: pure functions of their input."""
