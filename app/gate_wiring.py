"""Settings -> the gate: the part of ``wiring`` that builds who may call, and how much."""

import os
import secrets
from dataclasses import replace
from errno import EINVAL
from ipaddress import ip_address, ip_network
from pathlib import Path

from app.gateway.addresses import Network
from app.gateway.api_keys import ApiKey, Hasher
from app.gateway.audit import AuditLog
from app.gateway.caller import Quota
from app.gateway.gate import Gate, GuardedGate, OpenGate, Rules
from app.gateway.identity import NOBODY, Identity
from app.gateway.issuer import Issuer
from app.gateway.key_desk import KeyDesk
from app.gateway.key_store import FileKeyStore, KeyStore
from app.gateway.keyring import Keyring
from app.gateway.quotas import Quotas
from app.gateway.redis import RedisKeyStore
from app.gateway.roles import Role, parse_quota, quotas_of
from app.gateway.tokens import Tokens
from app.services import Doorkeeping
from app.state.base import State
from app.state.link import RedisLink
from app.telemetry.logs import logger
from config.invalid import ConfigInvalid
from config.roles import Access, QuotaPlan, load_access, parse_limits
from config.settings import Settings


def build_gate(
    settings: Settings, state: State, link: RedisLink | None, audit: AuditLog, issuer: Issuer | None
) -> tuple[Gate, Keyring | None]:
    """The gate, and the keyring it reads (None when authentication is off).

    Raises:
        ConfigInvalid: authentication is off on an address others can reach, or a file or setting cannot be used.
    """
    check_gate(settings)
    access = load_access(settings.roles_file)
    if not settings.auth:
        logger("sluice.gate").warning("authentication_is_off", effect="everybody on this machine may do everything")
        return OpenGate(), None
    hasher = Hasher(_pepper_or_none(settings))
    keyring = Keyring(key_store(settings, link), hasher, logger("sluice.keys"))
    if access.anonymous_role:
        logger("sluice.gate").warning("anonymous_callers_have_a_role", role=access.anonymous_role)
    identity = Identity(
        _roles(access),
        keyring,
        _quotas_of_key,
        logger("sluice.gate"),
        Tokens(issuer, settings.oidc_audience, settings.oidc_algorithms, settings.oidc_role_claim) if issuer else None,
        access.claims,
        _bootstrap(settings),
    )
    rules = Rules(_quotas(access.anonymous), _quotas(access.writes), _quotas(access.ceiling))
    quotas = Quotas(state, settings.workers * settings.instances, settings.runtime_dir)
    return GuardedGate(rules, identity.identify, quotas, audit), keyring


def check_gate(settings: Settings) -> None:
    """Everything that ``build_gate`` and ``build_doorkeeping`` would refuse, without touching a store.

    Raises:
        ConfigInvalid
    """
    load_access(settings.roles_file)
    build_doorkeeping(settings)
    if not settings.auth:
        _allow_open_only_at_home(settings)
    if settings.key_store == "redis" and (settings.redis_url == "memory://" or not settings.key_pepper):
        raise ConfigInvalid("SLUICE_KEY_STORE: redis needs SLUICE_REDIS_URL, and the same SLUICE_KEY_PEPPER everywhere")
    if settings.oidc_issuer and not settings.oidc_audience:
        raise ConfigInvalid("SLUICE_OIDC_AUDIENCE: is needed with SLUICE_OIDC_ISSUER; a token must say whom it is for")


def key_store(settings: Settings, link: RedisLink | None) -> KeyStore:
    """Where key records lie."""
    if settings.key_store == "redis" and link is not None:
        return RedisKeyStore(link)
    return FileKeyStore(settings.data_dir / "keys.json")


def build_key_desk(settings: Settings, link: RedisLink | None, audit: AuditLog) -> KeyDesk:
    """Where keys are made, for the commands.

    Raises:
        ConfigInvalid: see ``key_store``.
    """
    roles = sorted(load_access(settings.roles_file).roles)
    return KeyDesk(key_store(settings, link), lambda: Hasher(_pepper(settings)), audit, roles, _quotas_of_text)


def build_issuer(settings: Settings) -> Issuer | None:
    """Whose bearer tokens are accepted."""
    return Issuer(settings.oidc_issuer, logger("sluice.tokens")) if settings.oidc_issuer else None


def build_audit(settings: Settings) -> AuditLog:
    """The audit log and its sink."""
    if settings.audit_log == "stderr":
        return AuditLog(None)
    return AuditLog(Path(settings.audit_log) if settings.audit_log else settings.data_dir / "audit.jsonl")


def build_doorkeeping(settings: Settings) -> Doorkeeping:
    """Trusted hops, allowed origins, and the deadline of callers that name none.

    Raises:
        ConfigInvalid: a network that is none.
    """
    networks: list[Network] = []
    for word in settings.trusted_proxies:
        if word == "unix":
            continue
        try:
            networks.append(ip_network(word, strict=False))
        except ValueError:
            raise ConfigInvalid(f"SLUICE_TRUSTED_PROXIES: {word!r} is no address or network") from None
    timeout = settings.request_timeout_ms / 1000 or None
    return Doorkeeping(networks, "unix" in settings.trusted_proxies, settings.cors_origins, timeout)


def _allow_open_only_at_home(settings: Settings) -> None:
    if not settings.host.startswith("unix:") and not _is_loopback(settings.host):
        raise ConfigInvalid(f"SLUICE_AUTH: off is only for a loopback address, and HOST is {settings.host}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _roles(access: Access) -> dict[str, Role]:
    """Callers that show nothing have an address's quotas where their role has none."""
    roles = {name: Role(name, plan.scopes, plan.models, _quotas(plan.quotas)) for name, plan in access.roles.items()}
    if access.anonymous_role:
        role = roles[access.anonymous_role]
        roles[NOBODY] = replace(role, quotas=role.quotas or _quotas(access.anonymous))
    return roles


def _quotas(plan: QuotaPlan) -> tuple[Quota, ...]:
    return quotas_of("requests", plan.requests) + quotas_of("rows", plan.rows)


def _quotas_of_key(record: ApiKey) -> tuple[Quota, ...]:
    return tuple(quota for text in record.quotas for quota in _quotas_of_text(text))


def _quotas_of_text(text: str) -> tuple[Quota, ...]:
    return parse_quota(text, parse_limits)


def _bootstrap(settings: Settings) -> tuple[Hasher, str] | None:
    if not settings.bootstrap_admin_key:
        return None
    hasher = Hasher(secrets.token_bytes(32))
    return hasher, hasher.digest(settings.bootstrap_admin_key)


def _pepper(settings: Settings) -> bytes:
    """The configured pepper, else the one in the data folder, made by whoever comes first.

    Raises:
        OSError: it can neither be read nor made.
    """
    if settings.key_pepper:
        return settings.key_pepper.encode()
    path = settings.data_dir / "pepper"
    if not path.exists():
        _write_once(path, secrets.token_hex(32).encode())
    pepper = path.read_bytes()
    if not pepper:
        raise OSError(EINVAL, "the file is empty", str(path))
    return pepper


def _pepper_or_none(settings: Settings) -> bytes:
    """The same, or one that no key was made with."""
    try:
        return _pepper(settings)
    except OSError as error:
        logger("sluice.keys").warning(
            "pepper_unavailable", reason=str(error.strerror), effect="only the bootstrap key and bearer tokens work"
        )
        return secrets.token_bytes(32)


def _write_once(path: Path, data: bytes) -> None:
    """A file that appears whole, and only if nobody else made it first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
