"""A practice exchange that speaks Alpaca's language, for rehearsals and tests; it knows no desk."""
