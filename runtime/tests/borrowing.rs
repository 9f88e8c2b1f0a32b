//! Futures that borrow from the locals of the task that awaits them, in a spawned task: the task is `Send`,
//! so what it holds across an await has to be, whatever it borrows.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_runtime::{
    Either, ExponentialBackoff, as_completed, gather, generator, named, next, race, retry, retry_if, run,
    select, sleep, spawn, sync::Mutex, task_group, timeout, try_task_group, unconstrained,
};
use std::{future::pending, time::Duration};

const MS: Duration = Duration::from_millis(1);

async fn read(line: &str, ms: u32) -> &str {
    sleep(ms * MS).await;
    line
}

/// Borrows two things for different times.
async fn write(line: &mut String, word: &str) -> usize {
    sleep(MS).await;
    line.push_str(word);
    line.len()
}

/// A race inside a function that borrows as well.
async fn either(first: &Mutex<u32>, second: &Mutex<u32>) -> u32 {
    race((async { *first.lock().await }, async { *second.lock().await })).await
}

#[test]
fn tuples_race() {
    run(async {
        let raced = spawn(async {
            let (near, far) = (String::from("near"), String::from("far"));
            race((read(&near, 1), read(&far, 500))).await.to_owned()
        });
        assert_eq!(raced.await.unwrap(), "near");
        let raced = spawn(async {
            let (mut line, word) = (String::from("a"), String::from("b"));
            let len = race((
                write(&mut line, &word),
                pending(),
                async {
                    sleep(500 * MS).await;
                    word.len()
                },
                async { pending::<usize>().await + word.len() },
            ))
            .await;
            (len, line)
        });
        assert_eq!(raced.await.unwrap(), (2, "ab".to_owned()));
        let raced = spawn(async {
            let (first, second) = (Mutex::new(1), Mutex::new(2));
            let _held = second.lock().await;
            either(&first, &second).await
        });
        assert_eq!(raced.await.unwrap(), 1);
    });
}

#[test]
fn arrays_and_vectors_race() {
    run(async {
        let raced = spawn(async {
            let lines = [String::from("near"), String::from("far")];
            let array = race([read(&lines[0], 1), read(&lines[1], 500)]).await.len();
            let vector = race(lines.iter().map(|line| read(line, 1)).collect::<Vec<_>>()).await.len();
            array + vector.min(3)
        });
        assert_eq!(raced.await.unwrap(), 7);
    });
}

#[test]
fn two_are_selected_and_one_is_timed() {
    run(async {
        let selected = spawn(async {
            let (near, far) = (String::from("near"), String::from("far"));
            let first = match select(read(&near, 1), read(&far, 500)).await {
                Either::Left(line) | Either::Right(line) => line.to_owned(),
            };
            let late = timeout(MS, read(&far, 500)).await.is_err();
            (first, late, timeout(500 * MS, read(&near, 1)).await.unwrap().len())
        });
        assert_eq!(selected.await.unwrap(), ("near".to_owned(), true, 4));
    });
}

#[test]
fn several_are_gathered_and_completed() {
    run(async {
        let all = spawn(async {
            let lines = [String::from("near"), String::from("far")];
            let gathered = gather(lines.iter().map(|line| read(line, 1))).await.concat();
            let mut completed = as_completed(lines.iter().zip([3, 1]).map(|(line, ms)| read(line, ms)));
            let mut order = String::new();
            while let Some((_, line)) = completed.next().await {
                order.push_str(line);
            }
            let name = named("reader", read(&lines[0], 1)).await.len();
            (gathered, order, name)
        });
        assert_eq!(all.await.unwrap(), ("nearfar".to_owned(), "farnear".to_owned(), 4));
    });
}

#[test]
fn streams_are_generated() {
    run(async {
        let all = spawn(async {
            let lines = [String::from("near"), String::from("far")];
            let mut stream = generator(|mut y| {
                let lines = &lines;
                async move {
                    for line in lines {
                        y.yield_(line.len()).await;
                    }
                }
            });
            let mut sum = 0;
            while let Some(len) = next(&mut stream).await {
                sum += len;
            }
            sum
        });
        assert_eq!(all.await.unwrap(), 7);
    });
}

#[test]
fn groups_are_awaited() {
    run(async {
        let all = spawn(async {
            let line = String::from("near");
            let one = task_group(async |group| {
                drop(group.spawn(async { 1 }));
                read(&line, 1).await.len()
            })
            .await;
            let other: Result<usize, ()> = try_task_group(async |group| {
                drop(group.spawn(async { 1 }));
                Ok(read(&line, 1).await.len())
            })
            .await;
            one + other.unwrap()
        });
        assert_eq!(all.await.unwrap(), 8);
    });
}

#[test]
fn a_failed_operation_is_tried_again() {
    run(async {
        let all = spawn(async {
            let (line, mut tries) = (String::from("near"), 0);
            let backoff = ExponentialBackoff::new(MS).max_tries(3);
            let found = retry(backoff.clone(), || {
                tries += 1;
                let (tries, line) = (tries, &line);
                async move { if tries < 3 { Err(()) } else { Ok(read(line, 1).await.len()) } }
            })
            .await;
            let refused = retry_if(backoff, |_| false, || async { Err::<(), _>(read(&line, 1).await) }).await;
            assert_eq!(refused, Err(line.as_str()));
            (found, tries)
        });
        assert_eq!(all.await.unwrap(), (Ok(4), 3));
    });
}

#[test]
fn a_piece_of_work_is_unconstrained() {
    run(async {
        let all = spawn(async {
            let line = String::from("near");
            unconstrained(read(&line, 1)).await.len()
        });
        assert_eq!(all.await.unwrap(), 4);
    });
}
