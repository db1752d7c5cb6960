"""3D morphable faces: theta, the model that draws it, rasterizers and the files they come in."""
