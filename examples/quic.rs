//! QUIC by quinn, unchanged, client and server: quinn asks a runtime for four things by its trait `Runtime`,
//! and this file gives it ours.
//!
//! `cargo run -p brigade-examples --features quic --bin quic`

use brigade_runtime::{gather, io::Direction, net::UdpSocket, now, run, sleep_until, spawn, timeout};
use quinn::{
    AsyncTimer, AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, ServerConfig, UdpPoller, VarInt,
    rustls::{
        RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
    udp::{RecvMeta, Transmit, UdpSocketState},
};
use std::{
    error::Error,
    future::Future,
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long the conversation may take.
const TALK_TIMEOUT: Duration = Duration::from_secs(60);

/// Our runtime, as quinn sees one.
#[derive(Debug)]
struct Brigade;

impl quinn::Runtime for Brigade {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(sleep_until(at)))
    }

    // Dropping the handle detaches the task.
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(spawn(future));
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Socket { socket: UdpSocket::from_std(socket)?, state }))
    }

    fn now(&self) -> Instant {
        now()
    }
}

#[derive(Debug)]
struct Timer(brigade_runtime::Sleep);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.0.reset(at);
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// A UDP socket, and what quinn remembers of it. quinn makes its own system calls, which send and receive
/// many datagrams at once.
#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_io(Direction::Write, || self.state.send((&self.socket).into(), transmit))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.socket.poll_readable(cx))?;
            let receive = || self.state.recv((&self.socket).into(), buffers, meta);
            match self.socket.try_io(Direction::Read, receive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits for room to send. Several tasks may wait for the same socket.
#[derive(Debug)]
struct Poller(Arc<Socket>);

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.socket.poll_writable(cx)
    }
}

fn endpoint(server: Option<ServerConfig>) -> io::Result<Endpoint> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(Brigade))
}

/// A server with a certificate of its own making, and a client that trusts that one only.
fn both_sides() -> Result<(Endpoint, Endpoint), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let server = endpoint(Some(ServerConfig::with_single_cert(vec![certificate.clone()], key)?))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let mut client = endpoint(None)?;
    client.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);
    Ok((server, client))
}

/// Sends back what comes on each stream of each connection.
async fn serve(server: Endpoint) {
    while let Some(incoming) = server.accept().await {
        drop(spawn(async move {
            let connection = incoming.await?;
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                drop(spawn(async move {
                    let bytes = receive.read_to_end(usize::MAX).await?;
                    send.write_all(&bytes).await?;
                    Ok::<_, Box<dyn Error + Send + Sync>>(send.finish()?)
                }));
            }
            Ok::<_, quinn::ConnectionError>(())
        }));
    }
}

async fn echo_on_many_streams() -> Result<(), Box<dyn Error>> {
    let (server, client) = both_sides()?;
    let address = server.local_addr()?;
    let serving = spawn(serve(server.clone()));
    let connection = client.connect(address, "localhost")?.await?;
    println!("connected to {}, round trip {:?}", connection.remote_address(), connection.rtt());

    // 16 streams of one connection, a megabyte each: enough to fill the queues of both sockets.
    let echo = async |n: u8| {
        let (mut send, mut receive) = connection.open_bi().await?;
        let sent = vec![n; 1_000_000];
        send.write_all(&sent).await?;
        send.finish()?;
        let answer = receive.read_to_end(sent.len()).await?;
        assert!(answer == sent, "stream {n} came back changed");
        Ok::<_, Box<dyn Error>>(answer.len())
    };
    let mut total = 0;
    for echoed in gather((0..16).map(echo)).await {
        total += echoed?;
    }
    println!("16 streams echoed {total} bytes");

    // Under another name the certificate is refused.
    let refused =
        client.connect(address, "example.org")?.await.expect_err("the name is not in the certificate");
    println!("under another name: {refused}");

    connection.close(VarInt::from_u32(0), b"done");
    server.close(VarInt::from_u32(0), b"done");
    // Lets the peers know before the sockets are closed.
    client.wait_idle().await;
    serving.await?;
    server.wait_idle().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(async { timeout(TALK_TIMEOUT, echo_on_many_streams()).await? })
}
