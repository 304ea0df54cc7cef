"""A page about a model: sections of panels, and the folder they are written to."""
