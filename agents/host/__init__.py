"""What a program needs of the machine it runs on: places, ports, secrets, a terminal."""
