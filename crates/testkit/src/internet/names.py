"""A proxy that leads names to servers of this machine, and shows certificates for them.

In the folder that is named, names.json says where each name leads to and which certificate it has, read at each connection:
{"id.test": ["127.0.0.1:8787", "good"]}. ca.pem is what a client trusts. The port is printed.
"""

import asyncio
import datetime
import json
import os
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder = pathlib.Path(sys.argv[1])
key = ec.generate_private_key(ec.SECP256R1())
servers = {}


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, begins, ends, extension):
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + begins * day).not_valid_after(now + ends * day)
    return builder.add_extension(extension, critical=True).sign(key, hashes.SHA256())


def context(host, kind):
    """What a server of this name shows. Of another authority with the same key and another name nobody knows anything."""
    begins, ends = {"expired": (-2, -1)}.get(kind, (-1, 1))
    shown = "another.test" if kind == "other_name" else host
    issuer = "another authority" if kind == "unknown" else "testkit authority"
    leaf = certificate(shown, issuer, begins, ends, x509.SubjectAlternativeName([x509.DNSName(shown)]))
    file = folder / f"{host}-{kind}.pem"
    file.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file, folder / "key.pem")
    return made


async def relay(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


async def both(reader, writer, address):
    there, back = await asyncio.open_connection(*address)
    await asyncio.gather(relay(reader, back), relay(there, writer))


async def leading_to(host, origin, kind):
    """The address of a server that shows the certificate and leads on."""
    if (host, origin, kind) not in servers:
        address = origin.split(":")

        async def lead(reader, writer):
            await both(reader, writer, address)

        server = await asyncio.start_server(lead, "127.0.0.1", 0, ssl=context(host, kind))
        servers[host, origin, kind] = server
    return servers[host, origin, kind].sockets[0].getsockname()


async def connect(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.decode().split("\r\n")[0].split(" ")
    known = json.loads((folder / "names.json").read_text()).get(target.removesuffix(":443"))
    if method != "CONNECT" or known is None:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()
        return
    address = await leading_to(target.removesuffix(":443"), *known)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await both(reader, writer, address)


async def main():
    os.umask(0o077)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    authority = certificate(
        "testkit authority", "testkit authority", -1, 1, x509.BasicConstraints(ca=True, path_length=0)
    )
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(proxy.sockets[0].getsockname()[1], flush=True)
    await proxy.serve_forever()


asyncio.run(main())
