//! Reads the body of a request, as much of it as anybody may send, in as much time as it may take.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::{Request, StatusCode};

/// The largest body. A SET has one or two KiB; the core refuses SETs beyond 32 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a body may take: at the limit that is 6 KiB/s, slower than any link that pushes SETs.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body, or the status that says why not.
pub(crate) async fn read(request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    read_up_to(MAX_BODY_BYTES, request).await
}

/// The body, if it is not longer than `limit`.
pub(crate) async fn read_up_to(
    limit: usize,
    request: Request<Incoming>,
) -> Result<Bytes, StatusCode> {
    let body = request.into_body();
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    tokio::time::timeout(BODY_TIMEOUT, collect(body, limit))
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, StatusCode> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        let length = first.as_ref().map_or(0, Bytes::len).saturating_add(rest.len());
        if length.saturating_add(data.len()) > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        // Nearly every SET comes in one frame: no copy.
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    match first {
        Some(first) if rest.is_empty() => Ok(first),
        Some(first) => Ok(Bytes::from([&first[..], &rest[..]].concat())),
        None => Ok(Bytes::new()),
    }
}
