"""Terminates TLS for a server on loopback, with a certificate from a private certificate authority."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ADDRESS = ipaddress.IPv4Address("127.0.0.1")


class Authority:
    """A certificate authority for 127.0.0.1. `file` contains its own certificate, which clients must trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "authority.pem"
        self._key = _new_key()
        self._name = _name("trailwarden test authority")
        certificate = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(certificate)

    def context(self) -> ssl.SSLContext:
        """Returns the TLS context of a server, with a new certificate."""
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
    """Forwards TLS connections to a server without TLS. `url` is its address; `handshakes` counts completed handshakes."""

    def __init__(self, authority: Authority, behind: str) -> None:
        parts = urlsplit(behind)
        self._behind = (str(parts.hostname), int(parts.port or 80))
        self._context = authority.context()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""
        self.handshakes = 0

    def __enter__(self) -> TlsFront:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, str(ADDRESS), 0, ssl=self._context))
        self.url = f"https://{ADDRESS}:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.handshakes += 1
        server_reader, server = await asyncio.open_connection(*self._behind)
        try:
            await asyncio.gather(_copy(client_reader, server), _copy(server_reader, client))
        finally:
            client.close()
            server.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copies until one side closes its connection, then closes the other."""
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        target.close()


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
