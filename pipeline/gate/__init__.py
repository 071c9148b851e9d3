"""Trained models: fitted, held against labelled flights, let in, and shown out (docs/gate.md)."""
