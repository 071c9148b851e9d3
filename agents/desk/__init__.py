"""The alarm desk: what stands, what people did about it, and who is told."""
