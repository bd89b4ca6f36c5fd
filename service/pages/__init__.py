"""The pages that the service answers to browsers, as they are."""
