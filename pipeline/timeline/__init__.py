"""Event time: packets in order, gaps, grids, phases."""
