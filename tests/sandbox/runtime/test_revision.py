"""Reading templates."""

import pytest

from reconciler.sandbox.runtime.revision import SecretRef, containers_of, cpus, quantity


def test_a_whole_template_is_read() -> None:
    """Every part that the runtime acts on."""
    (container,) = containers_of(
        {
            "serviceAccount": "x@p.iam.gserviceaccount.com",
            "timeout": "60.5s",
            "volumes": [
                {"name": "sql", "cloudSqlInstance": {"instances": ["p:r-w1:i"]}},
                {
                    "name": "s",
                    "secret": {
                        "secret": "projects/1/secrets/key",
                        "items": [{"path": "a/b", "version": "2"}],
                    },
                },
                {"name": "whole", "secret": {"secret": "other"}},
                {"name": "e", "emptyDir": {}},
            ],
            "containers": [
                {
                    "image": "i",
                    "command": ["c"],
                    "args": ["a"],
                    "env": [
                        {"name": "PLAIN", "value": "v"},
                        {"name": "EMPTY"},
                        {"name": "SECRET", "valueSource": {"secretKeyRef": {"secret": "s", "version": "3"}}},
                    ],
                    "ports": [{"name": "h2c", "containerPort": 9000}],
                    "resources": {"limits": {"memory": "1Gi", "cpu": "2"}},
                    "volumeMounts": [
                        {"name": "sql", "mountPath": "/cloudsql"},
                        {"name": "s", "mountPath": "/keys/"},
                        {"name": "whole", "mountPath": "/other"},
                        {"name": "e", "mountPath": "/scratch"},
                    ],
                    "startupProbe": {"httpGet": {"path": "/up"}, "periodSeconds": 2, "failureThreshold": 5},
                }
            ],
        }
    )
    assert container.env == {"PLAIN": "v", "EMPTY": ""}
    assert container.secret_env == {"SECRET": SecretRef("s", "3")}
    assert container.sql_mounts == {"/cloudsql": ("p:r-w1:i",)}
    assert [(one.mount, one.path, one.ref.version) for one in container.secret_files] == [
        ("/keys", "a/b", "2"),
        ("/other", "other", "latest"),
    ]
    assert container.shared_mounts == {"/scratch": "e"}
    assert (container.port, container.h2c, container.memory, container.timeout) == (9000, True, 1024**3, 60.5)
    assert container.probe is not None
    assert (container.probe.kind, container.probe.path, container.probe.budget) == ("http", "/up", 10)


def test_defaults_are_cloud_runs() -> None:
    """A bare template is served on 8080 over HTTP/1 with 512 MiB and 240 seconds to start."""
    (container,) = containers_of({"containers": [{"image": "i"}]})
    assert (container.port, container.h2c, container.memory, container.timeout) == (
        8080,
        False,
        512 * 1024**2,
        300,
    )
    assert container.probe is not None
    assert (container.probe.kind, container.probe.budget) == ("tcp", 240)


def test_quantities() -> None:
    """Kubernetes' units; a wrong one is an error that names it."""
    assert [quantity(text) for text in ("1", "2k".upper(), "512Mi", "1.5Gi", "1G")] == [
        1, 2000, 512 * 1024**2, 3 * 512 * 1024**2, 10**9
    ]  # fmt: skip
    assert [cpus(text) for text in ("1", "1.0", "1000m", "80m")] == [1, 1, 1, 0.08]
    for wrong in ("lots", "1Ti", "500m"):
        with pytest.raises(ValueError, match=wrong):
            quantity(wrong)
    with pytest.raises(ValueError, match="1Gi"):
        cpus("1Gi")
