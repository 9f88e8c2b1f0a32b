//! All that can be made at compile time, as `static`s.

use super::block_on;
use brigade_runtime::{
    Runtime,
    sync::{
        Barrier, Condition, Event, LifoQueue, Mutex, Notify, OnceCell, PriorityQueue, Queue, RwLock,
        Semaphore,
    },
};

static COUNTER: Mutex<u32> = Mutex::new(0);
static MENU: RwLock<Vec<u32>> = RwLock::new(Vec::new());
static PERMITS: Semaphore = Semaphore::new(2);
static NOTIFY: Notify = Notify::new();
static EVENT: Event = Event::new();
static CHANGED: Condition = Condition::new();
static BARRIER: Barrier = Barrier::new(2);
static CELL: OnceCell<String> = OnceCell::new();
static QUEUE: Queue<u32> = Queue::bounded(1);
static UNBOUNDED: Queue<u32> = Queue::unbounded();
static LIFO: LifoQueue<u32> = Queue::bounded_lifo(2);
static PRIORITY: PriorityQueue<u32> = Queue::priority();

async fn take_part(number: u32) -> bool {
    let _permit = PERMITS.acquire().await.unwrap();
    *COUNTER.lock().await += 1;
    CHANGED.notify_all();
    drop(CHANGED.wait_for(COUNTER.lock().await, |count| *count == 2).await);
    MENU.write().await.push(number);
    CELL.get_or_init(|| async { "soup".to_owned() }).await;
    QUEUE.put(number).await;
    UNBOUNDED.put(number).await;
    LIFO.put(number).await;
    PRIORITY.put(number).await;
    EVENT.wait().await;
    NOTIFY.notify_one();
    BARRIER.wait().await.unwrap().is_leader()
}

#[test]
fn statics_are_shared_by_all_threads() {
    let runtime = Runtime::multi_thread(2).unwrap();
    let parts = [1, 2].map(|number| runtime.spawn(take_part(number)));
    let got = block_on(async { QUEUE.get().await + QUEUE.get().await });
    assert_eq!(got, 3);
    EVENT.set();
    block_on(NOTIFY.notified());
    let leaders = parts.map(|part| part.join().unwrap());
    assert!(leaders[0] != leaders[1]);
    assert_eq!(MENU.try_read().unwrap().len(), 2);
    assert_eq!(CELL.get().map(String::as_str), Some("soup"));
    assert_eq!((UNBOUNDED.len(), LIFO.len(), PRIORITY.try_get()), (2, 2, Some(1)));
}
