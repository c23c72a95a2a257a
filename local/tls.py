"""Ends TLS in front of a server on loopback, with a certificate of an authority of our own."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ADDRESS = ipaddress.IPv4Address("127.0.0.1")


class Authority:
    """Signs certificates for 127.0.0.1. `file` holds its own, for whoever is to trust it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "authority.pem"
        self._key = _new_key()
        self._name = _name("trailwarden test authority")
        certificate = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(certificate)

    def context(self) -> ssl.SSLContext:
        """A server's, with a certificate of its own."""
        key = _new_key()
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ADDRESS)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / "server.pem"
        path.write_bytes(private + self._signed(_name("server"), key, addresses))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _signed(self, name: x509.Name, key: rsa.RSAPrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, critical=True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class TlsFront:
    """Passes on what comes in over TLS; `url` is its address. `handshakes` counts those that were completed."""

    def __init__(self, authority: Authority, behind: str) -> None:
        parts = urlsplit(behind)
        self._behind = (str(parts.hostname), int(parts.port or 80))
        self._context = authority.context()
        self._listener = socket.create_server((str(ADDRESS), 0))
        self.url = f"https://{ADDRESS}:{self._listener.getsockname()[1]}"
        self.handshakes = 0

    def __enter__(self) -> TlsFront:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            secure = self._context.wrap_socket(client, server_side=True)
        except OSError:
            return
        self.handshakes += 1
        server = socket.create_connection(self._behind)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_copy, args=(secure, server), daemon=True).start()
        _copy(server, secure)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
