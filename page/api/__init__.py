"""Endpoints for programs, over HTTP and as MCP tools.

``endpoints``: the list of them.  ``edits``, ``analysis``: what each takes and does.  ``answers``: what they share.
``controls``: the hidden controls behind them.  ``readings``: what ``analysis`` computes.  ``missing``: calls without
the last parameters.  ``mcp``: what Gradio's MCP server lacks.  ``refusals``: sentences for requests that Gradio
cannot read.
"""
