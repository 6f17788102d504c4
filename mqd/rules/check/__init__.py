"""From a document's tree to its typed part of the rule book, noting everything that is wrong."""
