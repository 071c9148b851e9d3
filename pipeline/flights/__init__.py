"""Recorded flights: files to records, through the chain without Kafka, against each other."""
