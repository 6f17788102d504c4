"""A desk of one's own: a whole new one (`desk`), and a new strategy for it (`strategy`)."""
