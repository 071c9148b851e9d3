"""The same job in other frameworks, each in a process of its own (docs/performance.md)."""
