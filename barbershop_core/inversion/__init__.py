"""From an image to its code: `project` with an encoder, `embed` by optimization."""
