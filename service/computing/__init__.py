"""Computing for many at once: how much is taken on, what shares a product, and who makes way for whom."""
