"""Turn a data set and a plan into a model, a statement and a number."""
