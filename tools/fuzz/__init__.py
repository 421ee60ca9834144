"""Random and mutated input for every door of the product, and what must hold whatever comes in."""
