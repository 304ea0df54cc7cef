"""Pictures of numbers. matplotlib is imported where something is drawn only."""
