"""Finished LODs -> one engine-ready GLB."""
