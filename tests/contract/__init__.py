"""The contract of the stream protocol, held by the scripted claude and by the real one."""
