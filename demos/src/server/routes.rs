//! The answers of the server: a delay, a status, a stream of bytes.

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{self, HeaderValue},
};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// The routes, as `GET /` and `brigade serve` show them.
pub const ROUTES_HELP: &str = "\
GET /delay/SECONDS   answers 200 after so long (fractions allowed, 60 at most)
GET /status/CODE     answers at once with this status (200 to 599)
GET /bytes/N         answers with N bytes, streamed (1 GiB at most)
";

/// The longest delay that a client can ask for.
const DELAY_MAX_SECONDS: f64 = 60.0;

/// The longest body that a client can ask for.
const BYTES_MAX: u64 = 1 << 30;

/// The size of a piece of a long body.
const CHUNK_BYTES: usize = 16 * 1024;
static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// Answers a request.
pub(super) async fn answer<B>(request: &Request<B>) -> Response<ResponseBody> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response =
            text(StatusCode::METHOD_NOT_ALLOWED, "this server answers only GET and HEAD\n".into());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    match (parts.next().unwrap_or(""), parts.next()) {
        ("", None) => text(StatusCode::OK, ROUTES_HELP.into()),
        ("delay", Some(seconds)) => delay(seconds).await,
        ("status", Some(code)) => status(code),
        ("bytes", Some(count)) => bytes(count),
        _ => text(StatusCode::NOT_FOUND, format!("there is nothing at {path}; there is:\n{ROUTES_HELP}")),
    }
}

async fn delay(seconds: &str) -> Response<ResponseBody> {
    match seconds.parse::<f64>() {
        Ok(seconds) if (0.0..=DELAY_MAX_SECONDS).contains(&seconds) => {
            brigade_runtime::sleep(Duration::from_secs_f64(seconds)).await;
            text(StatusCode::OK, format!("waited {seconds} s\n"))
        }
        _ => text(
            StatusCode::BAD_REQUEST,
            format!("the delay is a number of seconds from 0 to {DELAY_MAX_SECONDS}\n"),
        ),
    }
}

fn status(code: &str) -> Response<ResponseBody> {
    match code.parse::<u16>().ok().filter(|code| (200..600).contains(code)).map(StatusCode::from_u16) {
        Some(Ok(code)) => text(code, format!("{code}\n")),
        _ => text(StatusCode::BAD_REQUEST, "the status is a number from 200 to 599\n".into()),
    }
}

fn bytes(count: &str) -> Response<ResponseBody> {
    match count.parse::<u64>() {
        Ok(count) if count <= BYTES_MAX => {
            let mut response = Response::new(ResponseBody::Zeros(count));
            let kind = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        _ => text(StatusCode::BAD_REQUEST, format!("the number of bytes is from 0 to {BYTES_MAX}\n")),
    }
}

fn text(status: StatusCode, words: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Text(Some(words.into())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The body of a response.
#[derive(Debug)]
pub(super) enum ResponseBody {
    /// A text, until it has been sent.
    Text(Option<Bytes>),
    /// This many zeros, which are still to be sent.
    Zeros(u64),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Text(words) => words.take(),
            Self::Zeros(0) => None,
            Self::Zeros(left) => {
                let piece = (CHUNK_BYTES as u64).min(*left);
                *left -= piece;
                Some(Bytes::from_static(&ZEROS[..piece as usize]))
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(None) | Self::Zeros(0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Text(words) => words.as_ref().map_or(0, |words| words.len() as u64),
            Self::Zeros(left) => *left,
        })
    }
}
