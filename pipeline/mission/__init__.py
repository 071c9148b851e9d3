"""The mission folder: mission.toml held against its XTCE, with the line of each mistake."""
