"""Readers of the output topics: to the end, around an alert, and the folder of a run."""
