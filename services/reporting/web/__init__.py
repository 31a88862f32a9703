"""The pages: templates, message catalogues, and the little script they need."""
