"""What the API and the pages show, read from the store and kept up to date."""
