"""Public anomaly benchmarks, scored by their authors' rules (docs/benchmarks.md)."""
