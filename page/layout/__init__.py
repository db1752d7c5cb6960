"""Where things stand and what calls what: a module a part of the page."""
