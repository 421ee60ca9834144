"""Programs that prove the product: chaos, fuzz, pressure, bench."""
