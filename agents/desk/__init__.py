"""The alarm desk: what stands now, kept on compacted topics."""
