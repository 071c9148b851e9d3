"""From the ground to telemetry.raw: links, the spool, replays of recorded flights."""
