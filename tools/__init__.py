"""Programs that test and measure the whole product: chaos, fuzz, pressure, bench."""
