"""The version, once: the package's, and the one in every fingerprint."""

VERSION = "0.1.0"
