"""Fuzz: packets, databases, settings and flights, valid ones mutated and wholly random ones."""
