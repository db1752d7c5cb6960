"""Everything that trains: the studio pack's networks, latent mappers, tables of directions and rigs."""
