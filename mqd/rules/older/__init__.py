"""Rule books in the form of earlier versions, and what makes them whole today."""
