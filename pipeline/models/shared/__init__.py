"""What model families share: their contract, what is known of a parameter, windows, spectra."""
