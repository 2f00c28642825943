"""Certificates of a small authority of our own: the broker, the server and every terminal, and whom it takes back.

Only P-256 keys (RFC 5480) and X.509 version 3 (RFC 5280). A certificate's common name is all that the broker looks at:
the terminal's identifier, or `SERVER_NAME`. It ends the day it says; what a terminal may do meanwhile, the broker's
access list says, not the certificate.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.ids import TerminalId
from protocol.instants import UtcMs

SERVER_NAME = "fanka.server"
"""Common name of the server at the broker; a terminal's identifier has no dot, so none is called so."""

AUTHORITY_DAYS, SERVER_DAYS, TERMINAL_DAYS = 20 * 365, 400, 400
CRL_DAYS = 60
"""How long a list of revocations may be believed: Mosquitto turns everybody away once it has expired, so it is made
anew each day and long before that."""
_BACKDATED = timedelta(hours=1)
"""A terminal's clock may be a little behind."""


TlsKey = ec.EllipticCurvePublicKey
"""The public part of a key that certificates are for."""


class NotARequest(ValueError):
    """These bytes are not a certificate request that can be signed; the text says why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def certificate_pem(self) -> bytes:
        """As files hold it."""
        return pem(self.certificate)

    def key_pem(self) -> bytes:
        """PKCS #8, not encrypted: the file's mode guards it."""
        return key_pem(self.key)


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that is believed no longer."""

    serial: int
    at: UtcMs


def server_name(number: int) -> str:
    """The common name of one of the server's programs: each has one session at the broker."""
    return SERVER_NAME if number == 1 else f"{SERVER_NAME}-{number}"


def pem(certificate: x509.Certificate) -> bytes:
    """As files hold it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8, not encrypted: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def read_pair(certificate: bytes, key: bytes) -> Pair:
    """A pair from its two files. Raises ValueError where they are damaged or belong to others."""
    found = x509.load_pem_x509_certificate(certificate)
    secret = serialization.load_pem_private_key(key, None)
    if not isinstance(secret, ec.EllipticCurvePrivateKey) or secret.public_key() != found.public_key():
        raise ValueError("the key is not this certificate's")
    return Pair(found, secret)


def request_pem(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """A certificate request (RFC 2986): proof that whoever asks has the key."""
    built = x509.CertificateSigningRequestBuilder().subject_name(_named(name)).sign(key, hashes.SHA256())
    return built.public_bytes(serialization.Encoding.PEM)


def read_request(text: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a request whose signature holds; nothing else in it counts. Raises NotARequest."""
    try:
        request = x509.load_pem_x509_csr(text)
        if not request.is_signature_valid:
            raise NotARequest("the certificate request is not signed by its own key")
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        if isinstance(error, NotARequest):
            raise
        raise NotARequest("not a certificate request in PEM (RFC 2986)") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise NotARequest("the key of a certificate is on P-256")
    return key


def proof_holds(key: ec.EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    """Whether this is the key's signature (ECDSA with SHA-256, DER) of a text."""
    try:
        key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def new_authority(name: str, at: UtcMs) -> Pair:
    """A certificate authority that signs itself and no other authority."""
    key = new_key()
    built = (
        _builder(name, name, key.public_key(), at, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(built.sign(key, hashes.SHA256()), key)


def for_broker(authority: Pair, hosts: Sequence[str], key: ec.EllipticCurvePublicKey, at: UtcMs) -> x509.Certificate:
    """The broker's certificate for the names and addresses that terminals connect to; at least one."""
    names = x509.SubjectAlternativeName([_host(host) for host in hosts])
    built = _leaf(authority, hosts[0], key, at, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)
    return built.add_extension(names, critical=False).sign(authority.key, hashes.SHA256())


def for_client(authority: Pair, name: str, key: ec.EllipticCurvePublicKey, at: UtcMs, days: int) -> x509.Certificate:
    """The certificate of a program that connects to the broker: a terminal by its identifier, or `SERVER_NAME`."""
    built = _leaf(authority, name, key, at, days, ExtendedKeyUsageOID.CLIENT_AUTH)
    return built.sign(authority.key, hashes.SHA256())


def for_terminal(authority: Pair, tid: TerminalId, key: ec.EllipticCurvePublicKey, at: UtcMs) -> x509.Certificate:
    """A terminal's certificate."""
    return for_client(authority, tid, key, at, TERMINAL_DAYS)


def revocations(authority: Pair, revoked: Iterable[Revoked], number: int, at: UtcMs) -> bytes:
    """The signed list of certificates that are believed no longer (RFC 5280, 5), in PEM."""
    built = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(_when(at) - _BACKDATED)
        .next_update(_when(at) + timedelta(days=CRL_DAYS))
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for known in revoked:
        row = x509.RevokedCertificateBuilder().serial_number(known.serial).revocation_date(_when(known.at)).build()
        built = built.add_revoked_certificate(row)
    return built.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_signed_by(certificate: x509.Certificate, authority: Pair) -> bool:
    """Whether it is this authority's own signature, and not only its name."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def hosts_of(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that a certificate is for, in order; none for a client's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted([*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))])


def _leaf(
    authority: Pair, name: str, key: ec.EllipticCurvePublicKey, at: UtcMs, days: int, use: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    issuer = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    known = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(name, str(issuer), key, at, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)
    )


def _builder(name: str, issuer: str, key: ec.EllipticCurvePublicKey, at: UtcMs, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_when(at) - _BACKDATED)
        .not_valid_after(_when(at) + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _when(at: UtcMs) -> datetime:
    return datetime.fromtimestamp(at // 1_000, UTC)
