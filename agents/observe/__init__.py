"""What a service reports about itself: HTTP, log lines, its state to systemd."""
