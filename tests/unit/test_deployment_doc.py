"""The manifests and the unit of the page about deployment are what Kubernetes, systemd and we ourselves take.

I/O: `systemd-analyze verify` where it is installed.
"""

import configparser
import copy
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.artifacts import load
from cli.settings import Settings
from consumers.registry import REACTIONS
from tests.support.command_line import every_command
from tests.support.documents import documents, manifests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
BLOCKS = list(documents.blocks(PAGE))
MANIFESTS: list[dict[str, Any]] = [
    yaml.safe_load("\n".join(block.lines)) for block in BLOCKS if block.language == "yaml"
]
BY_KIND = {manifest["kind"]: manifest for manifest in MANIFESTS}
(UNIT,) = ("\n".join(block.lines) for block in BLOCKS if block.language == "ini")
VARIABLES = {f"CEV_{name.upper()}" for name in Settings.model_fields} | {"CEV_CONFIG", "SSL_CERT_FILE"}
PODS = [BY_KIND[kind]["spec"]["template"]["spec"] for kind in ("Job", "Deployment")]


def test_every_manifest_of_the_page_is_one_that_kubernetes_takes() -> None:
    assert [manifest["kind"] for manifest in MANIFESTS] == ["Secret", "Job", "Deployment"]
    assert [fault for manifest in MANIFESTS for fault in manifests.faults(manifest)] == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("spec", "replica"), 2, "Deployment.spec.replica: there is no such field"),
        (("spec", "replicas"), "2", "Deployment.spec.replicas: '2' is no int"),
        (("spec", "selector"), None, "Deployment.spec: Invalid value for `selector`, must not be `None`"),
        (("apiVersion",), "v1", "apiVersion: v1"),
    ],
)
def test_a_fault_in_a_manifest_is_named(path: tuple[str, ...], value: Any, fault: str) -> None:
    manifest = copy.deepcopy(BY_KIND["Deployment"])
    inner = manifest
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    assert fault in manifests.faults(manifest)


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}


def test_the_pods_run_commands_of_ours_with_settings_of_ours() -> None:
    topics, consume = (pod["containers"][0]["args"] for pod in PODS)
    assert tuple(topics) in every_command()
    assert consume[0] == "consume"
    assert set(consume[1:]) <= {reaction.name for reaction in REACTIONS}
    for pod in PODS:
        assert environment(pod).keys() <= VARIABLES


def test_the_file_in_the_secret_is_one_of_settings_and_the_pods_name_it_where_it_is_mounted() -> None:
    files = BY_KIND["Secret"]["stringData"]
    settings = Settings(**tomllib.loads(files["cev.toml"]))
    assert settings.bootstrap_servers
    folder = "/etc/cev"
    for pod in PODS:
        (mount,) = (m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "settings")
        (volume,) = (v for v in pod["volumes"] if v["name"] == "settings")
        assert mount["mountPath"] == folder
        assert volume["secret"]["secretName"] == BY_KIND["Secret"]["metadata"]["name"]
        assert environment(pod)["CEV_CONFIG"] == f"{folder}/cev.toml"
    named = re.findall(rf"{folder}/([\w.]+)", files["cev.toml"] + str(PODS))
    assert set(named) == set(files)


def test_the_deployment_gives_a_member_time_to_drain_and_probes_the_port_that_it_answers_on() -> None:
    _, pod = PODS
    container, variables = pod["containers"][0], environment(pod)
    assert pod["terminationGracePeriodSeconds"] > float(variables["CEV_DRAIN_S"]) + 10
    (port,) = container["ports"]
    assert str(port["containerPort"]) == variables["CEV_HEALTH_PORT"]
    paths = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
    assert {name: get["path"] for name, get in paths.items()} == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    assert {get["port"] for get in paths.values()} == {port["name"]}


def test_the_deployment_selects_its_own_pods_and_they_may_write_scratch_folders_alone() -> None:
    deployment = BY_KIND["Deployment"]["spec"]
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    for pod in PODS:
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
        assert {volume["name"] for volume in pod["volumes"]} == {"settings", "scratch"}


def unit_values(name: str) -> Iterator[str]:
    for line in UNIT.splitlines():
        if line.startswith(f"{name}="):
            yield line.removeprefix(f"{name}=")


def test_the_unit_runs_a_group_gives_it_time_to_drain_and_leaves_safety_rules_alone() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]
    (command,) = unit_values("ExecStart")
    assert command.split()[1:] == ["consume", "%i"]
    assert {variable.partition("=")[0] for variable in unit_values("Environment")} <= VARIABLES
    (stop,) = unit_values("TimeoutStopSec")
    assert float(stop) > Settings.model_fields["drain_s"].default + 10
    assert [*unit_values("RestartPreventExitStatus")] == ["2 4"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "cev@.service"
    unit.write_text(UNIT.replace("/opt/cev/bin/cev", "/bin/true"), "utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_page_names_the_versions_and_sizes_that_are_downloaded() -> None:
    kafka, registry = load("kafka"), load("registry")
    megabytes = [
        sum(artifact.size for artifact in manifest.artifacts) / 1e6 for manifest in (kafka, registry)
    ]
    assert f"| Apache Kafka, {len(kafka.artifacts)} files | {megabytes[0]:.0f} MB |" in PAGE
    assert f"| Apicurio Registry | {megabytes[1]:.0f} MB |" in PAGE
    tried = PAGE.split("## What was tried")[1]
    assert kafka.name in tried
    assert registry.name in tried
