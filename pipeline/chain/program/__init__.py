"""All containers of a batch at once (`program.py`)."""
