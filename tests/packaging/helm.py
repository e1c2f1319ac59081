"""Runs Helm and reads what it renders, without a library for YAML: Helm itself turns that into JSON."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

MODULE = "helm.sh/helm/v3/cmd/helm@v3.22.0"
# The Kubernetes that it renders for where there is no cluster to ask. Releases are built with one, or it would be a very old one.
KUBERNETES = ("1", "31")
FLAGS = " ".join(f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}" for package in ("chartutil", "lint/rules")
                 for part, number in zip(("Major", "Minor"), KUBERNETES))
READER = """{{ range $path, $_ := .Files.Glob "in/*" }}
---
{{ $.Files.Get $path | fromYaml | toJson }}
{{ end }}"""


class NotHere(Exception):
    """Why there is no Helm on this machine."""


def _go():
    found = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
    if found is None:
        raise NotHere("there is neither helm nor go, with which it could be installed")
    return found


class Helm:
    """What Helm keeps lies below `folder`. It is installed there by go, if it is not on the PATH."""

    def __init__(self, folder):
        self._folder = Path(folder).resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._helm = shutil.which("helm") or self._install()
        self.environment = {**os.environ, "PATH": f"{Path(self._helm).parent}:{os.environ['PATH']}",
                            **{f"HELM_{name}_HOME": str(self._folder / name.lower())
                               for name in ("CACHE", "CONFIG", "DATA")}}

    def _install(self):
        # Of another version or for another Kubernetes it is another one.
        helm = self._folder / f"{MODULE.rpartition('@')[2]}-{'.'.join(KUBERNETES)}/helm"
        if not helm.exists():
            done = subprocess.run([_go(), "install", "-ldflags", FLAGS, MODULE], env={**os.environ, "GOBIN": str(helm.parent)},
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise NotHere(f"go cannot install {MODULE}: {done.stderr[-1000:]}")
        return str(helm)

    def run(self, *arguments):
        """Exit status, and what it said on both outputs."""
        done = subprocess.run([self._helm, *(str(word) for word in arguments)], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def template(self, chart, values, *more):
        """As run(); `values` is a dictionary."""
        path = self._folder / "values.json"  # which is YAML, too
        path.write_text(json.dumps(values), encoding="utf-8")
        return self.run("template", "sluice", chart, "--values", path, *more)

    def notes(self, chart, values):
        """What is printed after an installation. Without a cluster Helm does not show it, so it is rendered as an object."""
        copy = self._folder / "with-notes"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(chart, copy)
        notes = copy / "templates/NOTES.txt"
        (copy / "templates/_notes.tpl").write_text(f'{{{{ define "notes" }}}}{notes.read_text(encoding="utf-8")}{{{{ end }}}}',
                                                   encoding="utf-8")
        notes.unlink()
        (copy / "templates/notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | toJson }}\n', encoding="utf-8")
        status, said = self.template(copy, values, "--show-only", "templates/notes.yaml")
        assert status == 0, said
        return self.objects(said)["Notes"]["text"]

    def objects(self, rendered):
        """The rendered objects, by their kinds."""
        reader = self._folder / "reader"
        shutil.rmtree(reader, ignore_errors=True)
        (reader / "in").mkdir(parents=True)
        (reader / "templates").mkdir()
        (reader / "Chart.yaml").write_text("apiVersion: v2\nname: reader\nversion: 0.0.0\n", encoding="utf-8")
        (reader / "templates/objects.yaml").write_text(READER, encoding="utf-8")
        for number, text in enumerate(re.split(r"^---$", rendered, flags=re.MULTILINE)):
            if re.search(r"^\w", text, re.MULTILINE):
                (reader / f"in/{number:03}").write_text(text, encoding="utf-8")
        status, said = self.run("template", "reader", reader)
        assert status == 0, said
        found = {}
        for line in said.splitlines():
            if line.startswith("{"):
                one = json.loads(line)
                assert "Error" not in one, f"the chart makes what is no YAML: {one}"
                assert one["kind"] not in found, f"two objects of kind {one['kind']}"
                found[one["kind"]] = one
        return found
