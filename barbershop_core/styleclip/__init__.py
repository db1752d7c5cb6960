"""StyleCLIP: text-driven manipulation of StyleGAN imagery (Patashnik et al., ICCV 2021), a file a method."""
