"""Flights recorded in other formats, made into packets and XTCE once; from there on one path."""
