"""What a service says of itself: HTTP, log lines, a word to systemd."""
