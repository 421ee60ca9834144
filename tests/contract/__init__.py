"""The contract of the stream protocol, checked for the scripted claude and for the real one."""
