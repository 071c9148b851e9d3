"""The mission folder: mission.toml checked against its XTCE, with the line of each mistake."""
