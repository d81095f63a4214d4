//! How a caller asks.

/// How a caller asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// Before it forwards a request.
    Forward(Forward),
    /// By the OpenID AuthZEN Authorization API 1.0.
    AuthZen,
    /// By Envoy's `ext_authz` over gRPC.
    EnvoyGrpc,
}

/// How a gateway asks before it forwards a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Forward {
    /// nginx's `auth_request`: as [`Forward::Headers`], with statuses that nginx understands.
    Nginx,
    /// `X-Original-Method`, `X-Original-URI` and `X-Original-Host`, and any status as an answer.
    Headers,
    /// Traefik's ForwardAuth: `X-Forwarded-Method`, `-Uri` and `-Host`.
    Traefik,
    /// Envoy's `ext_authz` over HTTP: the request's own method, path behind a prefix, and host.
    Envoy,
}

impl Form {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Forward(Forward::Nginx),
        Self::Forward(Forward::Headers),
        Self::Forward(Forward::Traefik),
        Self::Forward(Forward::Envoy),
        Self::AuthZen,
        Self::EnvoyGrpc,
    ];

    /// Its name in the configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Forward(Forward::Nginx) => "nginx",
            Self::Forward(Forward::Headers) => "headers",
            Self::Forward(Forward::Traefik) => "traefik",
            Self::Forward(Forward::Envoy) => "envoy",
            Self::AuthZen => "authzen",
            Self::EnvoyGrpc => "envoy-grpc",
        }
    }
}

#[cfg(test)]
impl Forward {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Nginx, Self::Headers, Self::Traefik, Self::Envoy];
}
