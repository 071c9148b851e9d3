"""What stands now, on compacted topics, derived from alerts by agents of a worker."""
