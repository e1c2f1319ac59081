"""Makes certificates for tests with the openssl command.

make_teleport(folder) and make_fluentd(folder) fill a folder and return an object with the paths.
As a program: certificates.py FOLDER [CLUSTER] makes FOLDER/teleport and FOLDER/fluentd.

A Teleport cluster has two certificate authorities: the host CA signs the Auth server's certificate,
and the user CA signs those of users and bots. An identity file carries the host CA only.
"""

import base64
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

VALID = ("20200101000000Z", "20991231235959Z")
EXPIRED = ("20200101000000Z", "20200201000000Z")


class OpensslError(Exception):
    """The openssl command refused what this module asked for."""


@dataclass(frozen=True)
class TeleportFiles:
    """`identity` is what `tctl auth sign --format=file` writes; ca, cert and key are
    `--format=tls`. The other_* and expired_* files are the same with one thing wrong."""

    folder: Path
    cluster: str
    server_cert: Path
    server_key: Path
    client_cas: Path  # what the server trusts: host CA and user CA
    identity: Path
    ca: Path
    cert: Path
    key: Path
    renewed_identity: Path  # of the same user
    ending_identity: Path  # valid for an hour from now on, after years
    expired_identity: Path
    expired_cert: Path
    other_identity: Path  # of another cluster that uses the same names
    other_ca: Path
    other_cert: Path
    other_key: Path


@dataclass(frozen=True)
class FluentdFiles:
    folder: Path
    ca: Path
    server_cert: Path
    server_key: Path
    cert: Path
    key: Path
    expired_cert: Path | None = None
    other_ca: Path | None = None
    other_cert: Path | None = None  # signed by other_ca
    other_key: Path | None = None
    server_passphrase: str | None = None  # None: the key is not encrypted


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path


def make_teleport(folder, cluster="sim.example.com", user="sluice", key_type="ec"):
    """The files of a cluster. key_type: ec, rsa or ed25519, for the user's key."""
    folder = _new_folder(folder)
    host_ca = _make_ca(folder / "host-ca", f"/O={cluster}/CN={cluster}")
    user_ca = _make_ca(folder / "user-ca", f"/O={cluster}/CN={cluster}")
    other_host_ca = _make_ca(folder / "other-host-ca", f"/O={cluster}/CN={cluster}")
    other_user_ca = _make_ca(folder / "other-user-ca", f"/O={cluster}/CN={cluster}")
    names = ["DNS:*.teleport.cluster.local", "DNS:teleport.cluster.local", f"DNS:{cluster}",
             "DNS:localhost", "IP:127.0.0.1"]
    server = _make_leaf(folder / "auth", "/O=Auth/CN=auth." + cluster, host_ca, names, "server")
    subject = f"/O=access/O=event-handler/L=-teleport-internal-join/CN={user}"
    client = _make_leaf(folder / "client", subject, user_ca, [], "client", key_type=key_type)
    expired = _make_leaf(folder / "expired", subject, user_ca, [], "client", key=client.key,
                         validity=EXPIRED)
    renewed = _make_leaf(folder / "renewed", subject, user_ca, [], "client", key_type=key_type)
    soon = datetime.now(UTC) + timedelta(hours=1)
    ending = _make_leaf(folder / "ending", subject, user_ca, [], "client", key=client.key,
                        validity=(VALID[0], f"{soon:%Y%m%d%H%M%SZ}"))
    other = _make_leaf(folder / "other", subject, other_user_ca, [], "client")
    client_cas = folder / "client-cas.crt"
    client_cas.write_text(host_ca.cert.read_text() + user_ca.cert.read_text())
    return TeleportFiles(
        folder=folder, cluster=cluster, server_cert=server.cert, server_key=server.key,
        client_cas=client_cas, ca=host_ca.cert, cert=client.cert, key=client.key,
        identity=_write_identity(folder / "identity", client, host_ca, cluster),
        renewed_identity=_write_identity(folder / "renewed-identity", renewed, host_ca, cluster),
        ending_identity=_write_identity(folder / "ending-identity", Pair(ending.cert, client.key),
                                        host_ca, cluster),
        expired_cert=expired.cert,
        expired_identity=_write_identity(folder / "expired-identity",
                                         Pair(expired.cert, client.key), host_ca, cluster),
        other_identity=_write_identity(folder / "other-identity", other, other_host_ca, cluster),
        other_ca=other_host_ca.cert, other_cert=other.cert, other_key=other.key)


def make_fluentd(folder, names=("DNS:localhost", "IP:127.0.0.1"), key_type="rsa"):
    """What `teleport-event-handler configure` makes: one CA, a server and a client."""
    folder = _new_folder(folder)
    ca = _make_ca(folder / "ca", "/CN=CA")
    other_ca = _make_ca(folder / "other-ca", "/CN=CA")
    server = _make_leaf(folder / "server", "/CN=Server", ca, names, "server", key_type=key_type)
    client = _make_leaf(folder / "client", "/CN=Client", ca, names, "client", key_type=key_type)
    expired = _make_leaf(folder / "expired", "/CN=Client", ca, names, "client", key=client.key,
                         validity=EXPIRED)
    other = _make_leaf(folder / "other", "/CN=Client", other_ca, names, "client")
    return FluentdFiles(folder=folder, ca=ca.cert, server_cert=server.cert, server_key=server.key,
                        cert=client.cert, key=client.key, expired_cert=expired.cert,
                        other_ca=other_ca.cert, other_cert=other.cert, other_key=other.key)


def issue_identity(files, path, valid_for, key_type="ec"):
    """Writes an identity file of the same user with a new key and a certificate that ends after `valid_for`, a timedelta, as
    tbot does each time that it renews. The file appears whole."""
    ends = datetime.now(UTC) + valid_for
    subject = "/O=access/O=event-handler/L=-teleport-internal-join/CN=sluice"
    user_ca = Pair(files.folder / "user-ca.crt", files.folder / "user-ca.key")
    host_ca = Pair(files.ca, files.folder / "host-ca.key")
    issued = _make_leaf(files.folder / "issued", subject, user_ca, [], "client", key_type=key_type,
                        validity=(VALID[0], f"{ends:%Y%m%d%H%M%SZ}"))
    unfinished = path.with_suffix(".new")
    _write_identity(unfinished, issued, host_ca, files.cluster)
    os.replace(unfinished, path)


def _new_folder(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _openssl(*arguments):
    command = ["openssl", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OpensslError(f"{' '.join(command)}: {done.stderr.strip()}")


def _make_key(path, key_type):
    algorithms = {
        "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "ed25519": ["-algorithm", "ED25519"],
    }
    _openssl("genpkey", *algorithms[key_type], "-out", path)
    os.chmod(path, 0o600)


def _make_ca(stem, subject):
    pair = Pair(stem.with_suffix(".crt"), stem.with_suffix(".key"))
    _make_key(pair.key, "ec")
    _openssl("req", "-new", "-x509", "-key", pair.key, "-subj", subject, "-days", 36500,
             "-addext", "basicConstraints=critical,CA:true",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", pair.cert)
    return pair


def _make_leaf(stem, subject, ca, names, purpose, key_type="ec", key=None, validity=VALID):
    """A certificate for `purpose` (server or client). `openssl ca` is what can set both dates."""
    pair = Pair(stem.with_suffix(".crt"), key or stem.with_suffix(".key"))
    if key is None:
        _make_key(pair.key, key_type)
    work = _new_folder(stem.with_name(stem.name + ".work"))
    (work / "index").write_text("")
    (work / "index.attr").write_text("unique_subject = no\n")
    extensions = ["basicConstraints=critical,CA:false",
                  "keyUsage=critical,digitalSignature,keyEncipherment",
                  f"extendedKeyUsage={purpose}Auth",
                  "authorityKeyIdentifier=keyid"]
    if names:
        extensions.append("subjectAltName=" + ",".join(names))
    config = work / "config"
    config.write_text("\n".join([
        "[ca]", "default_ca=own", "[own]", f"new_certs_dir={work}", f"database={work}/index",
        "rand_serial=yes", "default_md=sha256", "policy=any", "x509_extensions=leaf",
        "[any]", "organizationName=optional", "localityName=optional", "commonName=supplied",
        "[leaf]", *extensions, "[req]", "distinguished_name=name", "[name]", ""]))
    request = work / "request"
    _openssl("req", "-new", "-config", config, "-key", pair.key, "-subj", subject, "-out", request)
    _openssl("ca", "-batch", "-notext", "-preserveDN", "-config", config, "-in", request,
             "-cert", ca.cert, "-keyfile", ca.key, "-startdate", validity[0],
             "-enddate", validity[1], "-out", pair.cert)
    return pair


def _ssh_blob(*parts):
    """Length-prefixed fields, the form of all keys and certificates of SSH."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _write_identity(path, client, host_ca, cluster):
    """Writes the parts in tctl's order. The SSH parts have the right form, but no signature that
    would be accepted: they stand for what a reader has to skip."""
    key_type = "ecdsa-sha2-nistp256"
    point = b"\x04" + os.urandom(64)
    certificate = _ssh_blob(f"{key_type}-cert-v01@openssh.com".encode(), os.urandom(32),
                            b"nistp256", point)
    host_key = _ssh_blob(key_type.encode(), b"nistp256", point)
    lines = [
        client.key.read_text(),
        f"{key_type}-cert-v01@openssh.com {base64.b64encode(certificate).decode()}\n",
        client.cert.read_text(),
        f"@cert-authority {cluster},*.{cluster} {key_type} {base64.b64encode(host_key).decode()}"
        " type=host\n",
        host_ca.cert.read_text(),
    ]
    path.write_text("".join(lines))
    os.chmod(path, 0o600)
    return path


def main():
    folder = Path(sys.argv[1])
    make_teleport(folder / "teleport", *sys.argv[2:3])
    make_fluentd(folder / "fluentd")


if __name__ == "__main__":
    main()
