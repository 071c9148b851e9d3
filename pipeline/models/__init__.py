"""Predictive models, one family a file, behind one contract (`models.shared.contract`)."""
