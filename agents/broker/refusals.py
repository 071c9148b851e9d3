"""Why a broker that answers cannot be used: its certificate, our password, the wrong protocol.

aiokafka only logs the reason; its caller gets "unable to bootstrap". So each broker is asked once
more, with the same options, and the error that this raises is put into a sentence.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from aiokafka import errors
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest

from agents.host.plain import plain

ASK_S = 3.0
# X509_V_ERR_… of OpenSSL's x509_vfy.h
_EXPIRED, _OTHER_NAME = (9, 10), (62, 64)
_OURS_MISSING = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_HANDSHAKE_FAILURE")
_OURS_REFUSED = ("ALERT_UNKNOWN_CA", "ALERT_CERTIFICATE_UNKNOWN", "ALERT_CERTIFICATE_EXPIRED")


async def refusal(addresses: Iterable[tuple[str, int]], options: dict[str, Any]) -> str | None:
    """The first broker's refusal as a sentence; None if each accepts us or does not answer.

    options: of aiokafka's clients (agents/broker/security.py).
    """
    said = await asyncio.gather(*(_refused_by(host, port, options) for host, port in addresses))
    return next((sentence for sentence in said if sentence), None)


async def _refused_by(host: str, port: int, options: dict[str, Any]) -> str | None:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout(ASK_S):
            await _ask(host, port, options)
    except ssl.SSLCertVerificationError as error:
        return _certificate(where, error)
    except errors.SaslAuthenticationFailed as error:
        why = plain(str(error.args[0] if error.args else error))
        return (
            f"The broker at {where} refuses user {options['sasl_plain_username']!r}: {why}. "
            "See sasl.username, sasl.password.file and sasl.mechanism of --kafka-config."
        )
    except errors.UnsupportedSaslMechanismError:
        return (
            f"The broker at {where} does not take sasl.mechanism {options['sasl_mechanism']}: "
            "name one of its own in --kafka-config."
        )
    except errors.IllegalSaslStateError:
        return (
            f"The broker at {where} does not use SASL: set security.protocol = "
            f"{_less_sasl(options)!r} in --kafka-config."
        )
    except ssl.SSLError as error:
        return _no_handshake(where, error)
    except (errors.KafkaConnectionError, ConnectionResetError) as error:
        return await _closed(host, port, where, options, error)
    except (errors.KafkaError, TimeoutError, OSError):
        return None  # it is not there, or has troubles of its own
    except Exception as error:  # noqa: BLE001 - the client's parsers raise these on foreign bytes
        return f"What answers at {plain(where)} is no Kafka broker: {error!r}."
    return None


async def _ask(host: str, port: int, options: dict[str, Any]) -> None:
    """Send a client's first request: a listener that wants a password closes only then."""
    connection = AIOKafkaConnection(host, port, request_timeout_ms=int(ASK_S * 1000), **options)
    try:
        await connection.connect()
        await connection.send(MetadataRequest([]))
    finally:
        closed = connection.close()
        if connection._protocol:  # it was connected: let TLS close cleanly
            await asyncio.wait({closed}, timeout=ASK_S)


def _certificate(where: str, error: ssl.SSLCertVerificationError) -> str:
    why = error.verify_message.rstrip(".")
    if error.verify_code in _OTHER_NAME:
        mend = (
            "Use the host name in its certificate, in --bootstrap and in the broker's "
            "advertised.listeners"
        )
    elif error.verify_code in _EXPIRED:
        mend = "It has to be renewed, or this machine's clock is wrong"
    else:
        mend = "ssl.ca.location of --kafka-config names who signed it"
    return f"The certificate of the broker at {where} is refused: {why}. {mend}."


def _no_handshake(where: str, error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if any(alert in reason for alert in _OURS_MISSING + _OURS_REFUSED):
        return (
            f"The broker at {where} refuses our certificate, or wants one ({reason}): see "
            "ssl.certificate.location and ssl.key.location of --kafka-config."
        )
    return _no_tls(where, reason)


def _no_tls(where: str, reason: str) -> str:
    return (
        f"The broker at {where} does not speak TLS there, or none that we do ({reason}): see its "
        "port, and security.protocol of --kafka-config."
    )


async def _closed(
    host: str, port: int, where: str, options: dict[str, Any], error: Exception
) -> str | None:
    """A broker closed without an error: find out what it wants by what else it accepts."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLError):
        return _no_handshake(where, cause)
    protocol = str(options.get("security_protocol", "PLAINTEXT"))
    if protocol.endswith("SSL"):
        if isinstance(error, ConnectionResetError):  # in the handshake
            return _no_tls(where, "it closes the connection")
    elif await _speaks_tls(host, port):
        return (
            f"The broker at {where} speaks TLS, and was spoken to in the clear: security.protocol "
            f"of --kafka-config is {protocol.replace('PLAINTEXT', 'SSL')!r} there."
            if protocol.startswith("SASL")
            else f"The broker at {where} speaks TLS, and was spoken to in the clear: give "
            "--kafka-config with security.protocol SSL or SASL_SSL (docs/kafka.md)."
        )
    if protocol.startswith("SASL"):
        return None
    return (
        f"The broker at {where} closes the connection when it is asked. Is that Kafka's port? "
        f"If it wants a password, security.protocol of --kafka-config is SASL_{protocol}."
    )


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether it speaks TLS. Only a handshake is sent, so the peer need not be trusted."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(ASK_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _less_sasl(options: dict[str, Any]) -> str:
    return str(options["security_protocol"]).removeprefix("SASL_")
