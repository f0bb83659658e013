"""QUIC and TLS with both keys proven: 30-transport sections 1 and 2, and the keys of section 6."""

from __future__ import annotations

import ssl

from aioquic import tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion

import probes
from encoding import Refused
from identity import Identity, certificate_key

ALPN = "dchat/1"
IDLE_TIMEOUT = 30.0


class Quic(QuicConnection):
    """TLS as section 2 wants it: Ed25519 and X25519 only, the peer's key checked in the handshake."""

    def __init__(self, identity: Identity, expected: bytes | None = None, **listening):
        """`expected` is who is dialed, if that is known; `listening` is what aioquic needs there."""
        certificate, key = identity.certificate()
        super().__init__(
            configuration=QuicConfiguration(
                alpn_protocols=[ALPN],
                certificate=certificate,
                private_key=key,
                idle_timeout=IDLE_TIMEOUT,
                is_client=not listening,
                supported_versions=[QuicProtocolVersion.VERSION_1],
                verify_mode=ssl.CERT_NONE,  # names, times and issuer mean nothing; the key does
            ),
            **listening,
        )
        self.own, self.expected = identity.peer_id, expected
        self.peer: bytes | None = None
        self.probe_keys: probes.ProbeKeys | None = None

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.tls._signature_algorithms = [tls.SignatureAlgorithm.ED25519]
        self.tls._supported_groups = [tls.Group.X25519]
        self.tls._request_client_certificate = True
        accept, protect = self.tls._set_peer_certificate, self.tls._setup_traffic_protection
        finish = self.tls._server_expect_finished

        def check_certificate(message: tls.Certificate) -> None:
            try:
                self.peer = certificate_key([der for der, _ in message.certificates])
            except Refused as refused:
                raise tls.AlertBadCertificate(refused.error) from None
            if self.expected not in (None, self.peer):
                raise tls.AlertBadCertificate("another PeerId answers")
            accept(message)

        def require_certificate() -> None:
            if self.peer is None:
                raise tls.AlertBadCertificate("certificate-count")
            finish()

        def export(direction, epoch, label: bytes) -> None:
            # The transcript now ends with the listener's Finished: what RFC 8446 7.5 exports from.
            if label == b"s ap traffic":
                self.probe_keys = probes.ProbeKeys(self._export())
            protect(direction, epoch, label)

        self.tls._set_peer_certificate = check_certificate
        self.tls._server_expect_finished = require_certificate
        self.tls._setup_traffic_protection = export

    def _export(self) -> bytes:
        schedule = self.tls.key_schedule
        empty = tls.hashes.Hash(schedule.algorithm).finalize()
        secret = tls.hkdf_expand_label(
            schedule.algorithm,
            schedule.derive_secret(b"exp master"),
            probes.EXPORTER_LABEL,
            empty,
            schedule.algorithm.digest_size,
        )
        return tls.hkdf_expand_label(
            schedule.algorithm, secret, b"exporter", empty, probes.EXPORTED
        )
