"""Predictive models, one family a file, behind one contract (`pipeline.models.contract`)."""
