"""Recorded flights: made into records, run through the chain without Kafka, compared."""
