"""One module for each schema, in order."""
