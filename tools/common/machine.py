"""Facts about the machine and this process's memory."""

import ctypes
import gc
import os
import platform
import socket

import psutil


def describe() -> str:
    """Describe the machine in a line: cores, system, Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def free_ports(count: int) -> list[int]:
    """Find ``count`` free ports on loopback."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def resident() -> int:
    """Measure this process's memory in bytes, after a garbage collection."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def held() -> int:
    """Measure this process's memory in bytes after the allocator has returned what it can (with glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return resident()
