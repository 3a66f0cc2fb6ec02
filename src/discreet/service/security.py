"""What every answer carries: nothing is stored, nothing is framed, nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

# 'wasm-unsafe-eval' compiles the networks of the on-device mode, and nothing else.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "media-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
HSTS = "max-age=31536000"
NO_STORE = "no-store"


def headers(*, tls: bool) -> list[tuple[bytes, bytes]]:
    """For ASGI; whoever came by TLS shall always do."""
    wanted = dict(HEADERS) | ({"Strict-Transport-Security": HSTS} if tls else {})
    return [(name.lower().encode(), value.encode()) for name, value in wanted.items()]
