"""What leaves the chain, as the bytes that stand on the topics and in the files of `run`."""
