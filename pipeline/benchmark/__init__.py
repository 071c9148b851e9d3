"""Public anomaly benchmarks, scored by their authors' rules (docs/models.md, docs/benchmarks.md)."""
