"""What is refused or added before a view runs and after it answered, for pages and API alike."""
