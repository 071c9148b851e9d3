"""Flights recorded in other formats become packets and XTCE; from then on all use one path."""
