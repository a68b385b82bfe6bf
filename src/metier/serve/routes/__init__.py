"""The native routes, `/v1/...`; an OpenAI-compatible set of routes can stand beside them in the same application."""
