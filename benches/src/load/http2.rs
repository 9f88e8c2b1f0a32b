//! The little of HTTP/2 that a closed loop of `GET /` needs (RFC 9113): one stream at a time, no body.

const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The room for answers on a connection. It lasts for some hundred million answers of a few bytes.
const WINDOW: u32 = 1 << 30;

/// The header fields of `GET /`, coded by the static table of HPACK (RFC 7541), and the name of the host,
/// which is not put into a table.
const REQUEST: &[u8] = b"\x82\x84\x86\x01\x09localhost";

/// A client on one connection, without the connection: bytes in, bytes out.
pub(super) struct Client {
    /// The number of the next request's stream.
    stream: u32,
    /// The received part of a frame that is not complete.
    partial: Vec<u8>,
    /// Acknowledgements, which are to be sent besides requests.
    pub(super) replies: Vec<u8>,
}

impl Client {
    /// Returns a client, and what it sends first.
    pub(super) fn new() -> (Self, Vec<u8>) {
        let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut preface, SETTINGS, 0, 0, &[]);
        frame(&mut preface, WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
        (Self { stream: 1, partial: Vec::new(), replies: Vec::new() }, preface)
    }

    /// Appends the next request.
    pub(super) fn request(&mut self, out: &mut Vec<u8>) {
        frame(out, HEADERS, END_STREAM | END_HEADERS, self.stream, REQUEST);
        self.stream += 2;
    }

    /// Takes in bytes. Returns whether they complete the answer to the latest request.
    ///
    /// # Panics
    ///
    /// Panics if the server gives up the connection: the load then is not what was asked for.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> bool {
        self.partial.extend_from_slice(bytes);
        let (mut at, mut answered) = (0, false);
        while let Some(header) = self.partial.get(at..at + FRAME_HEADER) {
            let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
            let (kind, flags) = (header[3], header[4]);
            let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
            let Some(payload) = self.partial.get(at + FRAME_HEADER..at + FRAME_HEADER + length) else {
                break;
            };
            match kind {
                SETTINGS if flags & ACK == 0 => frame(&mut self.replies, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(&mut self.replies, PING, ACK, 0, payload),
                DATA | HEADERS if flags & END_STREAM != 0 => answered = stream + 2 == self.stream,
                GOAWAY => panic!("the server gives up the connection: {payload:?}"),
                _ => {}
            }
            at += FRAME_HEADER + length;
        }
        self.partial.drain(..at);
        answered
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("frames are short here").to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_the_end_of_its_stream_however_the_bytes_come() {
        let (mut client, _) = Client::new();
        client.request(&mut Vec::new());
        let mut bytes = Vec::new();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        frame(&mut bytes, HEADERS, END_HEADERS, 1, b"\x88");
        frame(&mut bytes, DATA, END_STREAM, 1, b"hello");
        let (last, first) = bytes.split_last().expect("there are bytes");
        assert!(first.chunks(3).all(|chunk| !client.receive(chunk)));
        assert!(client.receive(&[*last]));
        let mut ack = Vec::new();
        frame(&mut ack, SETTINGS, ACK, 0, &[]);
        assert_eq!(client.replies, ack);
    }
}
