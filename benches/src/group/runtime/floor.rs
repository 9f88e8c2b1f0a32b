//! How cheap it could be: the least that does the same work on one thread, as a peer of tokio. A goal below
//! these ratios cannot be met by any executor over the same channel, or over the same kernel.
//!
//! * An executor without atomics, states, counts or join handles. A wake-up pushes a number, and a task
//!   that is woken twice is polled twice.
//! * An echo server that is one loop over epoll, without tasks.

use super::{
    executor::{Runtime, Spawner, Task, Threads, Tokio},
    net::{loaded, tokio_server},
    tasks,
};
use crate::{
    bench::{Bench, Metric, Side, sides},
    group::runtime::net::{Serve, Server},
    load::{Load, Traffic},
    sys,
};
use mio::{Events, Interest, Poll, Token, net::TcpListener};
use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    future::Future,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    ptr,
    sync::mpsc,
    task::{Context, RawWaker, RawWakerVTable, Waker},
    time::Duration,
};
use tokio::sync::oneshot;

/// The benches. They have no goals: they say what the goals of `ring_ct` and `echo_64_cpu` could be.
pub(crate) fn benches() -> Vec<Bench> {
    let ring = || sides(tasks::ring::<Floor>(Threads::Current), tasks::ring::<Tokio>(Threads::Current));
    let echo = || sides(echo_side(echo_server), echo_side(tokio_server));
    vec![
        Bench::new("floor_ring_ct", "tokio ct", ring),
        Bench::new("floor_echo_64", "tokio ct", echo)
            .reads(Metric::Rate)
            .row("floor_echo_64_cpu", Metric::Cpu),
    ]
}

fn echo_side(serve: Serve) -> Side {
    sys::raise_descriptor_limit();
    let server = Server::start(Traffic::Echo, serve);
    let load = Load::start(Traffic::Echo, server.address, 64);
    loaded(server, load)
}

/// The executor. All of it is the thread's.
struct Floor;

/// Its spawner.
#[derive(Clone)]
struct FloorSpawner;

#[derive(Default)]
struct Tasks {
    /// The tasks by their numbers; None while one is polled, and when it has ended.
    tasks: Vec<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    woken: VecDeque<usize>,
}

/// The number of the future of `block_on`.
const ROOT: usize = usize::MAX;

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
}

/// The table of a waker whose data is the number of a task.
static WAKER: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &WAKER), wake, wake, |_| ());

fn wake(data: *const ()) {
    TASKS.with_borrow_mut(|tasks| tasks.woken.push_back(data.addr()));
}

fn waker(number: usize) -> Waker {
    // SAFETY: the functions of the table access no memory through the data, which is a number. On another
    // thread they push to the queue of that thread.
    unsafe { Waker::from_raw(RawWaker::new(ptr::without_provenance(number), &WAKER)) }
}

impl Runtime for Floor {
    type Spawner = FloorSpawner;

    fn start(_: Threads) -> Self {
        Self
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut root = pin!(future);
        let root_waker = waker(ROOT);
        TASKS.with_borrow_mut(|tasks| tasks.woken.push_back(ROOT));
        loop {
            let number = TASKS.with_borrow_mut(|tasks| tasks.woken.pop_front());
            let number = number.expect("something is woken: nothing here waits for the outside");
            if number == ROOT {
                if let std::task::Poll::Ready(result) =
                    root.as_mut().poll(&mut Context::from_waker(&root_waker))
                {
                    return result;
                }
                continue;
            }
            let task = TASKS.with_borrow_mut(|tasks| tasks.tasks[number].take());
            let Some(mut task) = task else { continue };
            if task.as_mut().poll(&mut Context::from_waker(&waker(number))).is_pending() {
                TASKS.with_borrow_mut(|tasks| tasks.tasks[number] = Some(task));
            }
        }
    }

    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        FloorSpawner.spawn(future)
    }

    fn spawner(&self) -> FloorSpawner {
        FloorSpawner
    }
}

impl Spawner for FloorSpawner {
    fn spawn<T: Send + 'static>(&self, future: impl Task<T>) -> impl Task<T> {
        let (tell, told) = oneshot::channel();
        self.detach(async move { _ = tell.send(future.await) });
        async { told.await.expect("the task does not panic") }
    }

    fn detach(&self, future: impl Task<()>) {
        TASKS.with_borrow_mut(|tasks| {
            tasks.woken.push_back(tasks.tasks.len());
            tasks.tasks.push(Some(Box::pin(future)));
        });
    }

    async fn yield_now() {
        tokio::task::yield_now().await;
    }

    /// It has no timers, so a sleep has no end. The ring does not sleep.
    async fn sleep(_: Duration) {
        std::future::pending().await
    }
}

/// How long the server waits before it looks whether it is to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The echo server: accept, read once, write once.
fn echo_server(
    _: Traffic,
    tell: mpsc::Sender<SocketAddr>,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    const LISTENER: Token = Token(0);
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    // The receiver waits for the address, so it is there.
    let _ = tell.send(listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut streams = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = [0; 1024];
    while let Err(oneshot::error::TryRecvError::Empty) = stop.try_recv() {
        poll.poll(&mut events, Some(STOP_CHECK_INTERVAL))?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(1 + streams.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    streams.insert(token, stream);
                }
            } else if let Some(stream) = streams.get_mut(&event.token()) {
                // A request comes as a whole, and its answer fits. The end of a client ends the bench.
                if let Ok(count @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..count])?;
                }
            }
        }
    }
    Ok(())
}
