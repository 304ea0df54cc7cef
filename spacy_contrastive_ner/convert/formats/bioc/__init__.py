"""BioC, as XML and as JSON: two formats of the same documents."""
