"""What the loader says of every element of XTCE 1.2's telemetry side: docs/xtce.md is made here."""
