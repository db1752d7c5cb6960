"""StyleCLIP: text-driven manipulation of StyleGAN imagery (Patashnik et al., ICCV 2021).

``latent_optimization`` is section 4, ``directions`` section 6; latent mappers, section 5, are in
``networks.mapper`` and ``training.train_mapper``.
"""
