"""Runs a rendered StatefulSet's pod with Docker, as the kubelet would: volumes with the pod's group, secrets as links to files that
change at once, init containers one after the other, then the containers with their users, mounts and limits.

Everything that is not known here is an error, so that nothing of the manifest is left out in silence.
"""

import os
from pathlib import Path

CONTAINER_KEYS = {"name", "image", "imagePullPolicy", "command", "args", "securityContext", "volumeMounts", "startupProbe",
                  "livenessProbe", "readinessProbe", "env", "resources", "ports"}


class Pod:
    """`secrets`: their files, by name and key. `claims`: the folders of those that are there already."""

    def __init__(self, engine, objects, folder, *, secrets, claims):
        self._engine = engine
        self._objects = objects
        self._spec = objects["StatefulSet"]["spec"]["template"]["spec"]
        self._group = self._spec["securityContext"]["fsGroup"]
        self._folder = Path(folder)
        self._secrets = secrets
        self._claims = claims
        self._volumes = {}

    def __enter__(self):
        for volume in self._spec["volumes"]:
            self._volumes[volume["name"]] = self._make(volume)
        for claim in self._objects["StatefulSet"]["spec"].get("volumeClaimTemplates", []):
            self._volumes[claim["metadata"]["name"]] = self._empty(claim["metadata"]["name"])
        for container in self._spec["initContainers"]:
            self._engine.docker("run", "--rm", *self._options(container), *container["command"][1:])
        for container in self._spec["containers"]:
            self._start(container)
        return self

    def __exit__(self, *_):
        for container in self._spec["containers"]:
            self._engine.try_docker("rm", "--force", self._name(container["name"]))

    def _empty(self, name):
        folder = self._folder / name
        folder.mkdir(parents=True)
        os.chown(folder, 0, self._group)
        folder.chmod(0o2775)
        return folder

    def _make(self, volume):
        name = volume["name"]
        if "emptyDir" in volume:
            return self._empty(name)
        if "configMap" in volume:
            self._is(volume["configMap"]["name"], self._objects["ConfigMap"]["metadata"]["name"])
            files = {key: text.encode() for key, text in self._objects["ConfigMap"]["data"].items()}
            return self._projected(name, files, volume["configMap"]["defaultMode"])
        if "persistentVolumeClaim" in volume:
            return self._claims[volume["persistentVolumeClaim"]["claimName"]]
        secret = self._secrets[volume["secret"]["secretName"]]
        files = {item["path"]: Path(secret[item["key"]]).read_bytes() for item in volume["secret"]["items"]}
        return self._projected(name, files, volume["secret"]["defaultMode"])

    def _projected(self, name, files, mode):
        """Each file is a link into a folder that is replaced as a whole."""
        folder = self._empty(name)
        data = folder / "..2026"
        data.mkdir()
        os.chown(data, 0, self._group)
        (folder / "..data").symlink_to("..2026")
        for path, content in files.items():
            (data / path).write_bytes(content)
            os.chown(data / path, 0, self._group)
            (data / path).chmod(mode)
            (folder / path).symlink_to(f"..data/{path}")
        return folder

    @staticmethod
    def _is(found, wanted):
        if found != wanted:
            raise AssertionError(f"there is {found}, but must be {wanted}")

    def _options(self, container):
        """Of docker run, with the image and the first word of the command as entry point."""
        unknown = set(container) - CONTAINER_KEYS
        if unknown:
            raise AssertionError(f"what is {unknown} of the container {container['name']} to a pod?")
        context = container["securityContext"]
        options = ["--network", "host", "--user", f"{context['runAsUser']}:{self._spec['securityContext']['runAsGroup']}",
                   "--group-add", self._group]
        options += [f"--cap-drop={one}" for one in context["capabilities"]["drop"]]
        if context["readOnlyRootFilesystem"]:
            options.append("--read-only")
        if not context["allowPrivilegeEscalation"]:
            options += ["--security-opt", "no-new-privileges"]
        for one in container.get("env", []):
            options += ["--env", f"{one['name']}={one['value']}"]
        for mount in container["volumeMounts"]:
            source = self._volumes[mount["name"]] / mount.get("subPath", "")
            if not source.is_dir():
                raise AssertionError(f"{mount} is not there: the kubelet would make it, as root")
            options += ["--volume", f"{source}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"]
        return [*options, "--entrypoint", container["command"][0], container["image"]]

    @staticmethod
    def _name(container):
        return f"sluice-pod-{container}"

    def _start(self, container):
        self._engine.docker("run", "--detach", "--name", self._name(container["name"]), *self._options(container),
                            *container["command"][1:], *container.get("args", []))

    def _container(self, name):
        return next(one for one in self._spec["containers"] if one["name"] == name)

    def replace(self, name):
        """Killed, and a new one in its place."""
        self._engine.docker("kill", self._name(name))
        self._engine.docker("rm", self._name(name))
        self._start(self._container(name))

    def run(self, name, *command):
        return self._engine.try_docker("exec", self._name(name), *command)

    def log(self, name):
        done = self._engine.try_docker("logs", self._name(name))
        return done.stdout + done.stderr

    def passes(self, name, probe):
        return self.run(name, *self._container(name)[probe]["exec"]["command"]).returncode == 0

    def folders(self, volume):
        """Of the volume: owner, group and mode."""
        found = {}
        for folder in self._volumes[volume].iterdir():
            status = folder.stat()
            found[folder.name] = (status.st_uid, status.st_gid, status.st_mode & 0o7777)
        return found
