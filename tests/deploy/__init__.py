"""What is shipped, started as it is shipped: the image, the compose file, the units of systemd."""
