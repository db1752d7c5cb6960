"""What the page's controls do: their values in, pictures and words out.

- ``ui``: the components by name.  ``files``: texts and temporary files.
- ``gpu``: the open pack and the decorator behind which everything computes; ``zero_gpu``: the rules of Spaces whose
  GPU is lent.  ``visits``: the chain of edits of a visit, on disk.  ``edits``, ``sessions``: what is computed.
- ``line``: who waits for whom.  ``pace``: how far a run is, and how long it will take.
- ``panel``: the result panel that all tabs share.  ``person``, ``photos``, ``hair``, ``words``, ``rig``,
  ``examples``: the handlers.  ``layout``: where things stand and what calls what.
- ``api``: the endpoints for programs.
- ``language``: what all of them say, in the visitor's language.
- ``upkeep``: deletes what visitors leave when its time is over.

No tensors here: that is ``barbershop_core``, whose heavy modules are imported only when somebody presses a
button, so that the first page appears at once.
"""

from barbershop_core.process import spin_briefly

spin_briefly()  # before anything imports PyTorch
