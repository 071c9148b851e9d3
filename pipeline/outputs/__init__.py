"""Outputs of the chain, as the bytes that are written to topics and to the files of `run`."""
