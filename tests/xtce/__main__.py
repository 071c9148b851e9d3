"""python -m tests.xtce: write the tables of docs/xtce.md anew."""

from tests.xtce.render import write

write()
