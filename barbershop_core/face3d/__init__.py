"""3D morphable faces: theta, the models that render it, the rasterizers, and the files of models."""
