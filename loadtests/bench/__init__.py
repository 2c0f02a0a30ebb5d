"""`python -m loadtests.bench`: everything is measured beside something else, in one run."""
