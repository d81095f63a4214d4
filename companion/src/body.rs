//! Reads the body of a request, as much of it as anybody may send, in as much time as it may take.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper::{Request, StatusCode};

/// The largest body. A SET has one or two KiB; the core refuses SETs beyond 32 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a body may take: at the limit that is 6 KiB/s, slower than any link that pushes SETs.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Of a body that is too long this many times its limit is read, and thrown away: whoever writes
/// everything before reading would find the connection closed, and not learn why.
const READ_BEYOND: usize = 2;

/// The body, or the status that says why not.
pub(crate) async fn read(request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    read_up_to(MAX_BODY_BYTES, request).await
}

/// The body, if it is not longer than `limit`.
pub(crate) async fn read_up_to(
    limit: usize,
    request: Request<Incoming>,
) -> Result<Bytes, StatusCode> {
    tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body(), limit))
        .await
        .unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn collect(
    mut body: impl Body<Data = Bytes> + Unpin,
    limit: usize,
) -> Result<Bytes, StatusCode> {
    let most = limit.saturating_mul(READ_BEYOND);
    if body.size_hint().lower() > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut length: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > most {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if length > limit {
            continue;
        }
        // Nearly every SET comes in one frame: no copy.
        match &first {
            None => first = Some(data),
            Some(_) => rest.extend_from_slice(&data),
        }
    }
    match first {
        _ if length > limit => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Some(first) if rest.is_empty() => Ok(first),
        Some(first) => Ok(Bytes::from([&first[..], &rest[..]].concat())),
        None => Ok(Bytes::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// A body of frames with this many bytes each, without a length.
    struct Frames<'f>(&'f mut VecDeque<usize>);

    impl Body for Frames<'_> {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let frame = self.0.pop_front().map(|length| Frame::data(vec![b'x'; length].into()));
            Poll::Ready(frame.map(Ok))
        }
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_its_limit_and_read_up_to_twice_that() {
        const TOO_LONG: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;
        for (frames, outcome, left) in [
            (&[][..], Ok(0), 0),
            (&[10], Ok(10), 0),
            (&[4, 3, 3], Ok(10), 0),
            (&[11], Err(TOO_LONG), 0),
            (&[10, 1], Err(TOO_LONG), 0),
            (&[5, 5, 5, 5], Err(TOO_LONG), 0),
            (&[5, 5, 5, 6, 1, 1], Err(TOO_LONG), 2),
            (&[21, 1], Err(TOO_LONG), 1),
        ] {
            let mut waiting = frames.iter().copied().collect();
            let found = collect(Frames(&mut waiting), 10).await;
            assert_eq!(found.map(|body| body.len()), outcome, "{frames:?}");
            assert_eq!(waiting.len(), left, "{frames:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_announces_more_is_not_read() {
        for (length, read) in [(20, true), (21, false)] {
            let mut body = http_body_util::Full::new(Bytes::from(vec![b'x'; length]));
            assert!(collect(&mut body, 10).await.is_err());
            assert_eq!(body.size_hint().lower() == 0, read, "{length}");
        }
    }
}
