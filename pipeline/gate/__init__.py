"""Trained models: fitted, validated on labelled flights, activated and retired (docs/gate.md)."""
