"""What a running server tells about itself: logs, metrics, traces.

Nothing here changes what the server does, and none of it tells a prompt or a token.
"""
