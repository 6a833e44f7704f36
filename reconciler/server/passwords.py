"""What MLflow's own users (auth mode mlflow) cost beside one more pool of connections: memory.

Measured with MLflow 3.17.2: a worker is no larger for them (193 MiB). Checking one password takes 32 MiB (scrypt with
n = 32768 and r = 8). MLflow holds a connection of the users' own pool meanwhile, so that pool bounds how many are
checked at a time: 40 clients with wrong passwords on a pool of 3 took 104 MiB more with one worker, 183 with two.
"""

from __future__ import annotations

from reconciler.spec.deployment import Deployment

CHECK = 32
"""MiB."""
SINCE = "3.6.0"
"""The first MLflow that notes the revision of its users' schema, so that it can be migrated like the other one."""


def memory(deployment: Deployment) -> int:
    """The MiB that checking passwords takes at most in one instance."""
    server = deployment.server
    return server.workers * (server.pool_size + server.pool_overflow) * CHECK if kept(deployment) else 0


def kept(deployment: Deployment) -> bool:
    """Whether the server keeps users itself."""
    return deployment.auth.mode == "mlflow"
