"""The nouns: column types, mission definitions, wire encodings, topic names."""
