"""Weight files: what a pack's manifest says, where files lie, downloading, verifying and reading them."""
