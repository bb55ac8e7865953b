"""The public shapes of `/v1`: what a body asks for, what an answer used, how a stream ends. Pure: bytes to facts."""
