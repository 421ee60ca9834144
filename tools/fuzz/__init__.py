"""Random and mutated input for every entry point of the product, and the rules that must hold for any input."""
