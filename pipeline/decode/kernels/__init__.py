"""The compiled part of decoding: bits to values, packet by packet."""
