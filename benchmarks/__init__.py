"""Figures of the README, measured side by side in one run: `make bench`, `make lead-time`."""
